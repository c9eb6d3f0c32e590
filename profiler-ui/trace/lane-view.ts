/** Lanes with what drawing them and finding spans in them needs, and how a span is named. */

import { aligned, type RankAlignment } from "./alignment";
import type { EventColumns } from "./events";
import { KINDS, kindIndex, type Kind } from "./kinds";
import { buildLanes, upperBound, type Lane } from "./lanes";
import { buildForest, type Forest } from "./level-of-detail";

/** What names a lane of a run. */
export interface LaneName {
  readonly rank: number;
  readonly stream: number;
}

export interface LaneView extends LaneName {
  /** Where the rows' positions point to. */
  readonly events: EventColumns;
  readonly rows: readonly Forest[];
  /** What runs on it. */
  readonly kinds: ReadonlySet<Kind>;
}

/** A lane as the server tells of it. */
export interface LaneInfo extends LaneName {
  readonly kinds: readonly Kind[];
  readonly events: number;
  /** Pieces in which its events come; 0 in a run that is too long for a page to hold. */
  readonly tiles: number;
  /** Start of its first span and end of its last, nanoseconds from the run's start. */
  readonly startNs: number;
  readonly endNs: number;
}

/** A span by what stays the same while a run loads: rows never overlap, so rank, stream, depth and start name one. */
export interface SpanKey extends LaneName {
  readonly depth: number;
  readonly start: number;
}

/** A span in a lane: `position` in the row of its depth, `index` in the lane's events. */
export interface SpanRef {
  readonly lane: LaneView;
  readonly depth: number;
  readonly position: number;
  readonly index: number;
}

export function sameLane(a: LaneName, b: LaneName): boolean {
  return a.rank === b.rank && a.stream === b.stream;
}

export function spanRef(lane: LaneView, depth: number, position: number): SpanRef {
  return { lane, depth, position, index: lane.rows[depth]?.row.index[position] ?? 0 };
}

export function spanKey({ lane, depth, index }: SpanRef): SpanKey {
  return { rank: lane.rank, stream: lane.stream, depth, start: lane.events.startNs[index] ?? 0 };
}

/** `rank.stream.depth.start`, as addresses have it. */
export function spanText({ rank, stream, depth, start }: SpanKey): string {
  return [rank, stream, depth, start].join(".");
}

export function findSpan(lanes: readonly LaneView[], key: SpanKey): SpanRef | null {
  const lane = lanes.find((candidate) => sameLane(candidate, key));
  const row = lane?.rows[key.depth]?.row;
  if (!lane || !row) return null;
  // The entry may stand for several spans, of which it shows the longest.
  const span = spanRef(lane, key.depth, Math.max(0, upperBound(row.start, key.start) - 1));
  return lane.events.startNs[span.index] === key.start ? span : null;
}

export function laneViews(events: EventColumns): LaneView[] {
  return buildLanes(events).map((lane) => viewOf(lane, events));
}

export function viewOf({ rank, stream, index, rows }: Lane, events: EventColumns): LaneView {
  const seen = new Uint8Array(events.kind.texts.length);
  for (const i of index) seen[events.kind.codes[i] ?? 0] = 1;
  const kinds = events.kind.texts.filter((_, code) => seen[code] === 1).map((text) => KINDS[kindIndex(text)] ?? "host");
  return { rank, stream, events, rows: rows.map(buildForest), kinds: new Set(kinds) };
}

/** The lanes with each rank's clock corrected; `origin` is the run's time at which the lanes' time begins. */
export function alignLanes(
  lanes: readonly LaneView[],
  alignment: readonly RankAlignment[],
  origin: number,
): LaneView[] {
  return lanes.map((lane) => {
    const clock = alignment.find(({ rank, correct }) => rank === lane.rank && correct);
    if (!clock) return lane;
    const corrected = (times: Float64Array): Float64Array =>
      aligned(times, { ...clock, offsetNs: clock.offsetNs + clock.driftPerNs * origin });
    const rows = lane.rows.map(({ row }) =>
      buildForest({ ...row, start: corrected(row.start), end: corrected(row.end) }),
    );
    return { ...lane, events: { ...lane.events, startNs: corrected(lane.events.startNs) }, rows };
  });
}
