/** What was run, for history_request: this session's inputs and those of earlier ones, from the disk. */
import type { HistoryStore } from "./history-store";
import type { Content } from "./wire";

/** Session, line, input: as Jupyter wants them. With output it is `[session, line, [input, output]]`. */
export type Entry = readonly [session: number, line: number, input: string];

export class History {
  readonly #store: HistoryStore;

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  add(line: number, input: string): void {
    this.#store.add(line, input);
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
        return this.#store.latest(count(request["n"]));
    }
  }

  /** Session 0 is this one, -1 the one before. */
  #range({ session, start, stop }: Content): readonly Entry[] {
    const named = typeof session === "number" ? session : 0;
    const from = typeof start === "number" ? start : 1;
    const to = typeof stop === "number" ? stop : Infinity;
    const wanted = named > 0 ? named : this.#store.session + named;
    return this.#store.ofSession(wanted).filter(([, line]) => line >= from && line < to);
  }

  #search({ pattern, n, unique }: Content): readonly Entry[] {
    const glob = globPattern(typeof pattern === "string" ? pattern : "*");
    const matches = this.#store.latest(Infinity).filter(([, , input]) => glob.test(input));
    const latest = new Map(matches.map((entry) => [entry[2], entry]));
    const found = unique === true ? [...latest.values()] : matches;
    return count(n) === Infinity ? found : found.slice(-count(n));
  }
}

function count(n: unknown): number {
  return typeof n === "number" && n > 0 ? n : Infinity;
}

/** `*` is any text, `?` any character. */
function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}
