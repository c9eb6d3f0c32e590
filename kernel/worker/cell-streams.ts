/** `process.stdout`, `process.stderr` and `console` of a worker: what is written goes to the cell that writes. */
import { Console } from "node:console";
import { Writable } from "node:stream";

type Written = string | Uint8Array;
type WriteDone = (error?: Error | null) => void;

/**
 * A stream that hands on each piece of text at once, in the writer's own call and so in its own cell.
 *
 * Node's own `write` notes that a write is under way, and a cell that is interrupted at that moment would leave the note
 * behind: all that is written later would be kept back for ever.
 */
export class CellStream extends Writable {
  readonly isTTY = false;

  constructor(
    readonly fd: number,
    readonly onText: (text: string) => void,
  ) {
    super({ decodeStrings: false, write: (chunk: Written, encoding, done) => void this.write(chunk, encoding, done) });
    this.setMaxListeners(0); // an interrupted console.log leaves its listener
  }

  override write(chunk: Written, encoding?: BufferEncoding | WriteDone, callback?: WriteDone): boolean {
    this.onText(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
    const done = typeof encoding === "function" ? encoding : callback;
    if (done !== undefined) process.nextTick(done);
    return true;
  }
}

/** Puts cell streams in the place of the process's own, before anything has used those. */
export function installCellStreams(write: (name: "stdout" | "stderr", text: string) => void, clear: () => void): void {
  const install = (name: "stdout" | "stderr", fd: number): void => {
    const stream = new CellStream(fd, (text) => write(name, text));
    Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
  };
  install("stdout", 1);
  install("stderr", 2);
  // The global one hands every call to the inspector as well, and keeps errors to itself: it takes twice as long.
  Object.assign(console, new Console({ stdout: process.stdout, stderr: process.stderr, ignoreErrors: false }));
  console.clear = clear; // in a notebook: the cell's output so far
}
