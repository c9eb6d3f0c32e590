/** What was run, for history_request: this session's inputs, in memory. */
import type { Content } from "./wire";

/** Session, line, input: as Jupyter wants them. With output it is `[session, line, [input, output]]`. */
type Entry = readonly [session: number, line: number, input: string];

/** One kernel is one session; earlier sessions are not kept. */
const SESSION = 1;

export class History {
  readonly #inputs: Entry[] = [];

  add(line: number, input: string): void {
    this.#inputs.push([SESSION, line, input]);
  }

  /** Answers a history_request. Outputs are not kept: where they are asked for they are null. */
  find(request: Content): readonly unknown[] {
    const found = this.#select(request);
    return request["output"] === true ? found.map(([session, line, input]) => [session, line, [input, null]]) : found;
  }

  #select(request: Content): readonly Entry[] {
    switch (request["hist_access_type"]) {
      case "range":
        return this.#range(request);
      case "search":
        return this.#search(request);
      default:
        return last(this.#inputs, request["n"]);
    }
  }

  /** Session 0 is this one, -1 the one before. */
  #range({ session, start, stop }: Content): readonly Entry[] {
    if (session !== 0 && session !== SESSION) return [];
    const from = typeof start === "number" ? start : 1;
    const to = typeof stop === "number" ? stop : Infinity;
    return this.#inputs.filter(([, line]) => line >= from && line < to);
  }

  #search({ pattern, n, unique }: Content): readonly Entry[] {
    const glob = globPattern(typeof pattern === "string" ? pattern : "*");
    const matches = this.#inputs.filter(([, , input]) => glob.test(input));
    if (unique !== true) return last(matches, n);
    const latest = new Map(matches.map((entry) => [entry[2], entry]));
    return last([...latest.values()], n);
  }
}

function last<T>(items: readonly T[], n: unknown): readonly T[] {
  return typeof n === "number" && n > 0 ? items.slice(-n) : items;
}

/** `*` is any text, `?` any character. */
function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}
