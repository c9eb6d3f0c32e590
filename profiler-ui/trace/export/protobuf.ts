/** As much of protocol buffers' encoding as a trace needs: varints, fixed 64-bit numbers, texts, messages. */

const UTF8 = new TextEncoder();

export class Message {
  #bytes = new Uint8Array(64);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  /** A view of what was written. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#used);
  }

  clear(): this {
    this.#used = 0;
    return this;
  }

  /** A whole number from 0 to 2^53. */
  uint(field: number, value: number): this {
    this.#varint(field * 8);
    this.#varint(value);
    return this;
  }

  /** A whole number that may be negative, which takes ten bytes then. */
  int(field: number, value: number): this {
    if (value >= 0) return this.uint(field, value);
    this.#varint(field * 8);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#byte(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.#byte(Number(rest));
    return this;
  }

  fixed64(field: number, value: number): this {
    this.#varint(field * 8 + 1);
    let rest = value;
    for (let k = 0; k < 8; k++) {
      this.#byte(rest % 256);
      rest = Math.floor(rest / 256);
    }
    return this;
  }

  text(field: number, value: string): this {
    return this.#block(field, UTF8.encode(value));
  }

  message(field: number, value: Message): this {
    return this.#block(field, value.bytes());
  }

  #block(field: number, bytes: Uint8Array): this {
    this.#varint(field * 8 + 2);
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
    return this;
  }

  #varint(value: number): void {
    let rest = Math.min(value, Number.MAX_SAFE_INTEGER);
    while (rest > 127) {
      this.#byte((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    this.#byte(rest);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#used++] = value;
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + count));
    larger.set(this.bytes());
    this.#bytes = larger;
  }
}
