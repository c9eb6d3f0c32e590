/** Puts the worker's frames (kernel/worker/messages.ts) together again from the chunks in which they arrive. */
import { FRAME_HEAD_BYTES, FRAME_KINDS, type FromWorker } from "../worker/messages";
import { KernelError } from "./connection";

/** A cell has written into the pipe of frames, or has changed what frames are made with. */
export class UnreadableFrame extends KernelError {}

export class FrameReader {
  #chunks: Buffer[] = [];
  #buffered = 0;

  /** Messages that `chunk` completes. @throws UnreadableFrame `E_FRAME`; nothing behind it can be read. */
  *read(chunk: Buffer): Generator<FromWorker> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (this.#buffered < this.#needed()) return; // a long frame is joined once, when it is whole
    const bytes = this.#joined();
    let start = 0;
    while (bytes.length - start >= FRAME_HEAD_BYTES) {
      const end = start + frameLength(bytes, start);
      if (bytes.length < end) break;
      yield message(bytes, start, end);
      start = end;
    }
    this.#buffered = bytes.length - start;
    this.#chunks = this.#buffered > 0 ? [bytes.subarray(start)] : [];
  }

  /** Bytes of the frame that is under way. */
  #needed(): number {
    return this.#buffered < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES : frameLength(this.#first(FRAME_HEAD_BYTES), 0);
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

const KNOWN_KINDS: ReadonlySet<number> = new Set(Object.values(FRAME_KINDS));
const KIND_AT = 8;

function frameLength(bytes: Buffer, start: number): number {
  const length = bytes.readUInt32LE(start);
  const kind = bytes[start + KIND_AT] ?? -1;
  if (length < FRAME_HEAD_BYTES || !KNOWN_KINDS.has(kind))
    throw new UnreadableFrame("E_FRAME", `a frame of kind ${kind} and ${length} bytes`, { kind, length });
  return length;
}

function message(bytes: Buffer, start: number, end: number): FromWorker {
  const text = bytes.toString("utf8", start + FRAME_HEAD_BYTES, end);
  const kind = bytes[start + KIND_AT];
  if (kind === FRAME_KINDS.json) return parsed(text);
  const name = kind === FRAME_KINDS.stdout ? "stdout" : "stderr";
  return { type: "stream", run: bytes.readUInt32LE(start + 4), name, text };
}

function parsed(text: string): FromWorker {
  try {
    return JSON.parse(text) as FromWorker;
  } catch (error) {
    throw new UnreadableFrame("E_FRAME", "a frame without a message", { length: text.length }, { cause: error });
  }
}
