/** As much of protocol buffers' encoding as a trace needs: varints, fixed 64-bit numbers, texts, messages. */

const UTF8 = new TextEncoder();

const VARINT = 0;
const FIXED64 = 1;
const BLOCK = 2;

/** Bytes that a field of a number takes at most. */
const LONGEST = 16;

/** What four bytes of a varint hold. */
const FOUR_BYTES = 2 ** 28;

/** Fields one after the other in one block of memory, messages inside others in place: an object a message costs more than all the rest. */
export class ProtoWriter {
  #bytes = new Uint8Array(4096);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  /** What was written, for the caller to keep; the writer begins anew. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#used);
    this.#used = 0;
    return taken;
  }

  /** A whole number from 0 to 2^53. */
  uint(field: number, value: number): this {
    this.#reserve(LONGEST);
    this.#varint(field * 8 + VARINT);
    this.#varint(Math.min(value, Number.MAX_SAFE_INTEGER));
    return this;
  }

  /** A whole number that may be negative, which takes ten bytes then. */
  int(field: number, value: number): this {
    if (value >= 0) return this.uint(field, value);
    this.#reserve(LONGEST);
    this.#varint(field * 8 + VARINT);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#bytes[this.#used++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#used++] = Number(rest);
    return this;
  }

  fixed64(field: number, value: number): this {
    this.#reserve(LONGEST);
    this.#varint(field * 8 + FIXED64);
    let rest = value;
    for (let k = 0; k < 8; k++) {
      this.#bytes[this.#used++] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return this;
  }

  text(field: number, value: string): this {
    const begin = this.open(field);
    return this.encoded(UTF8.encode(value)).close(begin);
  }

  /** What another writer's `take` gave. */
  encoded(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#used += bytes.length;
    return this;
  }

  /** Begins a message, which `close` ends; gives where. */
  open(field: number): number {
    this.#reserve(LONGEST);
    this.#varint(field * 8 + BLOCK);
    return ++this.#used; // room for a length below 128, which most have
  }

  close(begin: number): this {
    const length = this.#used - begin;
    if (length < 128) {
      this.#bytes[begin - 1] = length;
      return this;
    }
    this.#reserve(LONGEST);
    const content = this.#bytes.slice(begin, this.#used);
    this.#used = begin - 1;
    this.#varint(length);
    return this.encoded(content);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#used;
    let rest = value;
    while (rest >= FOUR_BYTES) {
      let low = rest % FOUR_BYTES;
      for (let k = 0; k < 4; k++, low >>= 7) bytes[at++] = (low & 127) | 128;
      rest = Math.floor(rest / FOUR_BYTES);
    }
    for (; rest > 127; rest >>= 7) bytes[at++] = (rest & 127) | 128;
    bytes[at++] = rest;
    this.#used = at;
  }

  #reserve(count: number): void {
    if (this.#used + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + count));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}
