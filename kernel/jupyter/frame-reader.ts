/** Puts the worker's frames (kernel/worker/messages.ts) together again from the chunks in which they arrive. */

const LENGTH_BYTES = 4;

export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** Messages that `chunk` completes. */
  *read(chunk: Buffer): Generator<unknown> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered < this.#needed()) return; // a long frame is joined once, when it is whole
    let bytes = this.#joined();
    while (bytes.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + bytes.readUInt32LE(0);
      if (bytes.length < end) break;
      yield JSON.parse(bytes.toString("utf8", LENGTH_BYTES, end));
      bytes = bytes.subarray(end);
    }
    this.#chunks = bytes.length > 0 ? [bytes] : [];
    this.#buffered = bytes.length;
  }

  /** Bytes of the frame that is under way, length and all. */
  #needed(): number {
    if (this.#buffered < LENGTH_BYTES) return LENGTH_BYTES;
    const first = this.#chunks[0];
    const head = first !== undefined && first.length >= LENGTH_BYTES ? first : this.#joined();
    return LENGTH_BYTES + head.readUInt32LE(0);
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
}
