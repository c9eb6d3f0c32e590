/**
 * Marks on the process's own stdout and stderr that say where a cell's part of them ends: what C code and child processes
 * write there comes to the front by other pipes than the frames.
 */
import * as fs from "node:fs";
import { writeFully } from "./frame-writer";
import { flushMarker } from "./messages";

const { fstatSync } = fs; // a cell may put another in its place

const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
type StreamName = keyof typeof DESCRIPTORS;
const NAMES = Object.keys(DESCRIPTORS) as readonly StreamName[];

export class FlushMarks {
  readonly #secret: string;
  readonly #pipes: Readonly<Record<StreamName, string | undefined>>;

  constructor(secret: string) {
    this.#secret = secret;
    this.#pipes = { stdout: identity("stdout"), stderr: identity("stderr") };
  }

  /**
   * Marks the end of a run.
   *
   * @returns The streams that carry the mark: a cell may have closed a descriptor, and its number may be a file's by now.
   */
  write(run: number): readonly StreamName[] {
    const marker = Buffer.from(flushMarker(this.#secret, run));
    return NAMES.filter((name) => {
      if (identity(name) !== this.#pipes[name]) return false;
      writeFully(DESCRIPTORS[name], marker);
      return true;
    });
  }
}

/** What a stream's descriptor leads to; undefined when it is closed. */
function identity(name: StreamName): string | undefined {
  try {
    const { dev, ino } = fstatSync(DESCRIPTORS[name]);
    return `${dev}:${ino}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBADF") return undefined;
    throw error;
  }
}
