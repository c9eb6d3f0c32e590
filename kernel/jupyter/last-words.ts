/**
 * What V8 prints on stderr when it has to end a process: tables and addresses for its makers. They are kept out of the
 * notebook, and the reason is told in words.
 */

/** `V8::FatalProcessOutOfMemory` (V8's api.cc) and `V8_Fatal` (logging.cc). */
const BEGINNINGS = /\n<--- Last few GCs --->|\n\n#\n# Fatal error in /;
const OUT_OF_MEMORY = /FATAL ERROR: .*JavaScript heap out of memory/;
const TOO_LONG = /Fatal JavaScript invalid size error/;
/** Heap used (and reserved) before and after a collection, in MiB: `Mark-Compact 4099.6 (4104.9) -> 4099.5 (4104.9) MB`. */
const COLLECTION = / -> (\d+)\.\d+ \([\d.]+\) MB/g;
/** MiB that V8 gives a heap on most machines. */
const USUAL_HEAP = 4096;

export interface Death {
  /** How it ended, as in "was ended by SIGSEGV". */
  readonly reason: string;
  /** What to do about it. */
  readonly advice?: string;
}

export class LastWords {
  readonly #onText: (text: string) => void;
  #held = "";

  /** @param onText Takes what is not V8's. */
  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  read(text: string): void {
    const start = this.#held === "" ? text.search(BEGINNINGS) : 0;
    if (start !== 0) this.#onText(start === -1 ? text : text.slice(0, start));
    if (start !== -1) this.#held += text.slice(start);
  }

  /** The process lives on: what looked like its end was another's, a child process's for one. */
  release(): void {
    const held = this.#held;
    this.#held = "";
    if (held !== "") this.#onText(held);
  }

  /** Why V8 ended the process; undefined when it did not. */
  death(): Death | undefined {
    if (TOO_LONG.test(this.#held))
      return {
        reason: "was ended by V8: an array grew longer than V8 can make one (about 100 million elements)",
        advice: "Hold numbers in typed arrays, as in new Float64Array(n), or in several arrays",
      };
    if (!OUT_OF_MEMORY.test(this.#held)) return undefined;
    const size = [...this.#held.matchAll(COLLECTION)].at(-1)?.[1];
    const more = 2 ** Math.ceil(Math.log2(1.5 * Number(size ?? USUAL_HEAP)));
    return {
      reason: `ran out of memory: its JavaScript heap was full${size === undefined ? "" : `, with ${size} MiB in use`}`,
      advice:
        "Keep less in variables, hold numbers in typed arrays, which take no room in this heap, or make the heap " +
        `larger: NODE_OPTIONS=--max-old-space-size=${more} (MiB) in the kernel's environment, ` +
        "which `stateline kernel install --env` sets",
    };
  }
}
