/** One run in memory, laid out for tiles, with what is computed of it when first asked for. Lives in the analysis thread. */

import { analyse, type RunAnalysis } from "../trace/analysis";
import {
  pageOf,
  correctedReport,
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
import { alignLanes, sameLane, viewOf, type LaneInfo, type LaneView } from "../trace/lane-view";
import { Looker, type Look } from "../trace/look";
import { marksIn, since } from "../trace/marks";
import type { RunInfo } from "../trace/run";
import { summarise, type RunSummary } from "../trace/summary";
import { encodeEvents, encodeMarks } from "../trace/wire-format";
import type { Answer } from "./analysis";
import { answerLook } from "./look";

/** Events of one tile: some 5 MB, drawn while the next one travels. */
export const TILE_EVENTS = 65536;

/** Marks a row of the overview has at most: more than a screen's pixels would not be seen. */
const OVERVIEW_PIXELS = 1024;

export class LoadedRun {
  readonly #lanes: readonly Lane[];
  readonly #origin: number;
  #views: readonly LaneView[] | undefined;
  #summary: RunSummary | undefined;
  #overview: Uint8Array<ArrayBuffer> | undefined;
  #collectives: CollectiveReport | undefined;
  #correctedCollectives: CollectiveReport | undefined;
  #analysis: RunAnalysis | undefined;
  #looker: Looker | undefined;
  #aligned: Looker | undefined;

  readonly events: EventColumns;

  /** `pageEvents`: of a longer run there are no tiles. */
  constructor(
    readonly info: RunInfo,
    events: EventColumns,
    readonly pageEvents: number,
  ) {
    this.events = cleaned(events);
    this.#lanes = buildLanes(this.events);
    this.#origin = extentOf(this.#lanes).first;
  }

  get summary(): RunSummary {
    return (this.#summary ??= summarise(this.events, this.#lanes));
  }

  /** Marks that draw the whole run. */
  get overview(): Uint8Array<ArrayBuffer> | null {
    if (this.#overview) return this.#overview;
    const length = Math.max(1, extentOf(this.#lanes).last - this.#origin);
    const whole = { from: 0, to: length, bucket: length / OVERVIEW_PIXELS };
    const marks = marksIn(this.#laneViews, whole, this.#origin);
    return marks && (this.#overview = encodeMarks(marks));
  }

  /** What a page asks of a run that it does not hold. */
  look(look: Look): Answer {
    if (!look.aligned) return answerLook((this.#looker ??= new Looker(this.#laneViews, this.#origin)), look);
    const aligned = (): LaneView[] => alignLanes(this.#laneViews, this.#report.clock.alignment, 0);
    return answerLook((this.#aligned ??= new Looker(aligned(), this.#origin)), look);
  }

  get lanes(): LaneInfo[] {
    const isWhole = this.events.count <= this.pageEvents;
    return this.#lanes.map((lane, k) => {
      const { rank, stream, index } = lane;
      const { first, last } = extentOf([lane]);
      const kinds = [...(this.#laneViews[k]?.kinds ?? [])];
      const tiles = isWhole ? Math.ceil(index.length / TILE_EVENTS) : 0;
      return { rank, stream, kinds, events: index.length, tiles, startNs: first, endNs: last };
    });
  }

  /** Events of a lane by start time, `TILE_EVENTS` a tile; null where there is no such tile. */
  tile(rank: number, stream: number, tile: number): Uint8Array<ArrayBuffer> | null {
    const lane = this.#lanes.find((candidate) => sameLane(candidate, { rank, stream }));
    const begin = tile * TILE_EVENTS;
    if (!lane || begin >= lane.index.length) return null;
    const events = pick(this.events, lane.index.subarray(begin, begin + TILE_EVENTS));
    return encodeEvents(since(this.#origin, events));
  }

  collectives(query: CollectiveQuery): CollectivePage {
    return pageOf(query.corrected ? this.#corrected : this.#report, query);
  }

  /** The run as a file of another tool's format, in pieces. */
  export(format: TraceFormat, rank?: number): Generator<Uint8Array<ArrayBuffer>, undefined> {
    return exportTrace(format, this.events, this.info, rank);
  }

  get analysis(): RunAnalysis {
    return (this.#analysis ??= analyse(this.events, this.info, this.summary, this.#report));
  }

  get #laneViews(): readonly LaneView[] {
    return (this.#views ??= this.#lanes.map((lane) => viewOf(lane, this.events)));
  }

  get #corrected(): CollectiveReport {
    return (this.#correctedCollectives ??= correctedReport(this.events, this.#report));
  }

  get #report(): CollectiveReport {
    return (this.#collectives ??= reportCollectives(this.events, this.info.clocks));
  }
}
