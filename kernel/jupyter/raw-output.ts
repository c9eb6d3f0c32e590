/** What reaches the worker's own stdout or stderr: C code's printf, child processes. Marks in it say where a cell ends. */
import { StringDecoder } from "node:string_decoder";
import { flushMarker } from "../worker/messages";

export class RawOutput {
  readonly #secret: string;
  readonly #onText: (text: string) => void;
  readonly #onMark: (run: number) => void;
  readonly #decoder = new StringDecoder("utf8");
  #held = Buffer.alloc(0);

  constructor(secret: string, onText: (text: string) => void, onMark: (run: number) => void) {
    this.#secret = secret;
    this.#onText = onText;
    this.#onMark = onMark;
  }

  read(chunk: Buffer): void {
    let bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const opening = Buffer.from(flushMarker(this.#secret, 0).split(":")[0] + ":");
    for (;;) {
      const start = bytes.indexOf(opening);
      const end = start === -1 ? -1 : bytes.indexOf(0, start + opening.length);
      if (end === -1) {
        const keep = start === -1 ? partialSuffix(bytes, opening) : bytes.length - start;
        this.#text(bytes.subarray(0, bytes.length - keep));
        this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
        return;
      }
      this.#text(bytes.subarray(0, start));
      this.#onMark(Number(bytes.toString("utf8", start + opening.length, end)));
      bytes = bytes.subarray(end + 1);
    }
  }

  /** Gives out what was held back as the possible beginning of a mark: no more will come. */
  end(): void {
    this.#text(this.#held);
    this.#held = Buffer.alloc(0);
  }

  #text(bytes: Buffer): void {
    const text = this.#decoder.write(bytes);
    if (text !== "") this.#onText(text);
  }
}

/** Length of the longest end of `bytes` that begins `pattern`. */
function partialSuffix(bytes: Buffer, pattern: Buffer): number {
  for (let length = Math.min(bytes.length, pattern.length - 1); length > 0; length--)
    if (bytes.subarray(bytes.length - length).equals(pattern.subarray(0, length))) return length;
  return 0;
}
