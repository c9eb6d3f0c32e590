/** Puts the worker's frames (kernel/worker/messages.ts) together again from the chunks in which they arrive. */
import { FRAME_HEAD_BYTES, FRAME_KINDS, type FromWorker } from "../worker/messages";

export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** Messages that `chunk` completes. */
  *read(chunk: Buffer): Generator<FromWorker> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered < this.#needed()) return; // a long frame is joined once, when it is whole
    const bytes = this.#joined();
    let start = 0;
    while (bytes.length - start >= FRAME_HEAD_BYTES) {
      const end = start + bytes.readUInt32LE(start);
      if (bytes.length < end) break;
      yield message(bytes, start, end);
      start = end;
    }
    this.#buffered = bytes.length - start;
    this.#chunks = this.#buffered > 0 ? [bytes.subarray(start)] : [];
  }

  /** Bytes of the frame that is under way. */
  #needed(): number {
    return this.#buffered < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES : this.#first(FRAME_HEAD_BYTES).readUInt32LE(0);
  }

  #first(length: number): Buffer {
    const [first] = this.#chunks;
    return first !== undefined && first.length >= length ? first : this.#joined();
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
}

function message(bytes: Buffer, start: number, end: number): FromWorker {
  const text = bytes.toString("utf8", start + FRAME_HEAD_BYTES, end);
  const kind = bytes[start + 8];
  if (kind === FRAME_KINDS.json) return JSON.parse(text) as FromWorker;
  const name = kind === FRAME_KINDS.stdout ? "stdout" : "stderr";
  return { type: "stream", run: bytes.readUInt32LE(start + 4), name, text };
}
