/** One run in memory, laid out for tiles, with what is computed of it when first asked for. Lives in the analysis thread. */

import { analyse, type RunAnalysis } from "../trace/analysis";
import {
  pageOf,
  reportCollectives,
  type CollectivePage,
  type CollectiveQuery,
  type CollectiveReport,
} from "../trace/collective-table";
import { cleaned } from "../trace/clean";
import { pick } from "../trace/columns";
import type { EventColumns } from "../trace/events";
import { exportTrace, type TraceFormat } from "../trace/export/index";
import { buildLanes, extentOf, type Lane } from "../trace/lanes";
import { overviewOf } from "../trace/overview";
import type { RunInfo } from "../trace/run";
import { summarise, type RunSummary } from "../trace/summary";
import { encodeEvents } from "../trace/wire-format";

/** Events of one tile: some 5 MB, drawn while the next one travels. */
export const TILE_EVENTS = 65536;

/** Marks a row of the overview has at most: more than a screen's pixels would not be seen. */
const OVERVIEW_PIXELS = 1024;

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

export class LoadedRun {
  readonly #lanes: readonly Lane[];
  #summary: RunSummary | undefined;
  #overview: Uint8Array<ArrayBuffer> | undefined;
  #collectives: CollectiveReport | undefined;
  #analysis: RunAnalysis | undefined;

  readonly events: EventColumns;

  constructor(
    readonly info: RunInfo,
    events: EventColumns,
  ) {
    this.events = cleaned(events);
    this.#lanes = buildLanes(this.events);
  }

  get summary(): RunSummary {
    return (this.#summary ??= summarise(this.events, this.#lanes));
  }

  get overview(): Uint8Array<ArrayBuffer> {
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

  /** Events of a lane by start time, `TILE_EVENTS` a tile; null where there is no such tile. */
  tile(rank: number, stream: number, tile: number): Uint8Array<ArrayBuffer> | null {
    const lane = this.#lanes.find((candidate) => candidate.rank === rank && candidate.stream === stream);
    const begin = tile * TILE_EVENTS;
    if (!lane || begin >= lane.index.length) return null;
    return encodeEvents(pick(this.events, lane.index.subarray(begin, begin + TILE_EVENTS)));
  }

  collectives(query: CollectiveQuery): CollectivePage {
    return pageOf(this.#report, query);
  }

  /** The run as a file of another tool's format. */
  export(format: TraceFormat, rank?: number): Uint8Array<ArrayBuffer> {
    const pieces = [...exportTrace(format, this.events, this.info, rank)];
    const file = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of pieces) {
      file.set(piece, at);
      at += piece.length;
    }
    return file;
  }

  get analysis(): RunAnalysis {
    return (this.#analysis ??= analyse(this.events, this.info, this.summary, this.#report));
  }

  get #report(): CollectiveReport {
    return (this.#collectives ??= reportCollectives(this.events, this.info.clocks));
  }
}
