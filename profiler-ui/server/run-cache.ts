/** Runs as the server holds them: read once, laid out for tiles, the ones asked for last kept in memory. */

import { compareRuns, type RunComparison } from "../trace/compare";
import { pick } from "../trace/columns";
import type { EventColumns } from "../trace/events";
import { buildLanes, extentOf, type Lane } from "../trace/lanes";
import { overviewOf } from "../trace/overview";
import type { RunInfo, RunSource } from "../trace/run";
import { summarise, type RunSummary } from "../trace/summary";
import { BYTES_PER_EVENT, encodeEvents } from "../trace/wire-format";

/** Events of one tile: some 5 MB, drawn while the next one travels. */
export const TILE_EVENTS = 65536;

/** Marks a row of the overview has at most: more than a screen's pixels would not be seen. */
const OVERVIEW_PIXELS = 1024;

/** What is kept of runs, in bytes of events; the one in use is kept whatever its size. */
const KEEP_BYTES = 400e6;

/** A lane as the page asks for it. */
export interface LaneInfo {
  readonly rank: number;
  readonly stream: number;
  readonly events: number;
  readonly tiles: number;
  /** Start of its first span and end of its last, nanoseconds from the run's start. */
  readonly startNs: number;
  readonly endNs: number;
}

/** One run in memory, with what is computed of it when first asked for. */
export class LoadedRun {
  readonly #lanes: readonly Lane[];
  #summary: RunSummary | undefined;
  #overview: Uint8Array | undefined;

  constructor(
    readonly info: RunInfo,
    readonly events: EventColumns,
  ) {
    this.#lanes = buildLanes(events);
  }

  get summary(): RunSummary {
    return (this.#summary ??= summarise(this.events, this.#lanes));
  }

  get overview(): Uint8Array {
    return (this.#overview ??= encodeEvents(overviewOf(this.events, OVERVIEW_PIXELS, this.#lanes)));
  }

  get lanes(): LaneInfo[] {
    return this.#lanes.map((lane) => {
      const { rank, stream, index } = lane;
      const { first, last } = extentOf([lane]);
      const tiles = Math.ceil(index.length / TILE_EVENTS);
      return { rank, stream, events: index.length, tiles, startNs: first, endNs: last };
    });
  }

  /** Events of a lane by start time, `TILE_EVENTS` a tile; undefined where there is no such tile. */
  tile(rank: number, stream: number, tile: number): Uint8Array | undefined {
    const lane = this.#lanes.find((candidate) => candidate.rank === rank && candidate.stream === stream);
    const begin = tile * TILE_EVENTS;
    if (!lane || begin >= lane.index.length) return undefined;
    return encodeEvents(pick(this.events, lane.index.subarray(begin, begin + TILE_EVENTS)));
  }
}

export class RunCache {
  /** In order of use, the latest last. */
  readonly #runs = new Map<string, Promise<LoadedRun>>();
  readonly #comparisons = new WeakMap<LoadedRun, WeakMap<LoadedRun, RunComparison>>();

  constructor(readonly source: RunSource) {}

  /** The run as it is now: one that has grown since it was read is read again. */
  async get(id: string): Promise<LoadedRun> {
    const info = await this.source.info(id);
    const known = this.#runs.get(id);
    if (known) {
      const run = await known;
      if (run.info.events === info.events && run.info.status === info.status && run.info.createdAt === info.createdAt) {
        this.#touch(id, known);
        return run;
      }
    }
    const reading = this.source.events(id).then((events) => new LoadedRun(info, events));
    this.#touch(id, reading);
    try {
      const run = await reading;
      await this.#forget();
      return run;
    } catch (error) {
      this.#runs.delete(id);
      throw error;
    }
  }

  async compare(a: string, b: string): Promise<RunComparison> {
    const [runA, runB] = [await this.get(a), await this.get(b)];
    let known = this.#comparisons.get(runA);
    if (!known) this.#comparisons.set(runA, (known = new WeakMap<LoadedRun, RunComparison>()));
    let comparison = known.get(runB);
    if (!comparison) known.set(runB, (comparison = compareRuns(runA, runB)));
    return comparison;
  }

  #touch(id: string, run: Promise<LoadedRun>): void {
    this.#runs.delete(id);
    this.#runs.set(id, run);
  }

  /** Lets go of the runs used longest ago until the rest fits. */
  async #forget(): Promise<void> {
    let kept = 0;
    for (const [id, run] of [...this.#runs].reverse()) {
      const bytes = (await run.catch(() => undefined))?.events.count ?? 0;
      if (kept > 0 && kept + bytes * BYTES_PER_EVENT > KEEP_BYTES) this.#runs.delete(id);
      else kept += bytes * BYTES_PER_EVENT;
    }
  }
}
