/** What draws a stretch of a run at one zoom: a mark a span that is wide enough, and one for each bucket of shorter ones. */

import { concatenate, pick } from "./columns";
import type { EventColumns, Numbers } from "./events";
import { KINDS, kindIndex } from "./kinds";
import type { LaneView } from "./lane-view";
import { buildForest, visitVisible, type Forest } from "./level-of-detail";

/** Of the span at the same place, which is the longest of `spans` neighbours: they reach from `fromNs` to `toNs` and run `busyNs` of it. */
export interface MarkColumns {
  readonly depth: Numbers;
  readonly fromNs: Float64Array;
  readonly toNs: Float64Array;
  readonly spans: Numbers;
  readonly busyNs: Numbers;
}

/** In the order in which they travel. */
export const MARK_COLUMNS: readonly (keyof MarkColumns)[] = ["depth", "fromNs", "toNs", "spans", "busyNs"];

/** Marks lane by lane, in each by depth, then by time. */
export interface Marks {
  readonly events: EventColumns;
  readonly marks: MarkColumns;
}

export interface Grain {
  readonly from: number;
  readonly to: number;
  /** Shorter spans are merged with their neighbours. */
  readonly bucket: number;
}

/** Marks of all rows of `lanes`. Here and in them time is counted from `origin` of the lanes' time. */
export function marksIn(lanes: readonly LaneView[], { from, to, bucket }: Grain, origin: number): Marks | null {
  const columns: Record<keyof MarkColumns, number[]> = { depth: [], fromNs: [], toNs: [], spans: [], busyNs: [] };
  const pieces = lanes.map(({ events, rows }) => {
    const chosen: number[] = [];
    rows.forEach((forest, depth) => {
      const add = (position: number, count: number, start: number, end: number, cover: number): void => {
        chosen.push(forest.row.index[position] ?? 0);
        columns.depth.push(depth);
        columns.fromNs.push(start - origin);
        columns.toNs.push(end - origin);
        columns.spans.push(count);
        columns.busyNs.push(Math.round(cover * (end - start)));
      };
      visitVisible(forest, from + origin, to + origin, bucket, add, origin);
    });
    return since(origin, pick(events, Uint32Array.from(chosen)));
  });
  const [first, ...rest] = pieces;
  if (!first) return null;
  return {
    events: concatenate([first, ...rest]),
    marks: {
      depth: Uint8Array.from(columns.depth),
      fromNs: Float64Array.from(columns.fromNs),
      toNs: Float64Array.from(columns.toNs),
      spans: Uint32Array.from(columns.spans),
      busyNs: Float64Array.from(columns.busyNs),
    },
  };
}

/** The events, which are the caller's own, with times counted from `origin`. */
export function since(origin: number, events: EventColumns): EventColumns {
  const { startNs } = events;
  startNs.forEach((start, i) => (startNs[i] = start - origin));
  return events;
}

/** Marks as lanes. */
export function lanesOfMarks({ events, marks }: Marks): LaneView[] {
  const { depth } = marks;
  const lanes: { rank: number; stream: number; rows: Forest[]; kinds: Set<number> }[] = [];
  let begin = 0;
  while (begin < events.count) {
    const [rank = 0, stream = 0, at = 0] = [events.rank[begin], events.stream[begin], depth[begin]];
    let end = begin + 1;
    while (end < events.count && events.rank[end] === rank && events.stream[end] === stream && depth[end] === at) end++;
    let lane = lanes.at(-1);
    if (lane?.rank !== rank || lane.stream !== stream)
      lanes.push((lane = { rank, stream, rows: [], kinds: new Set<number>() }));
    for (let i = begin; i < end; i++) lane.kinds.add(events.kind.codes[i] ?? 0);
    while (lane.rows.length < at) lane.rows.push(EMPTY);
    lane.rows.push(rowOfMarks(events, marks, begin, end));
    begin = end;
  }
  return lanes.map(({ rank, stream, rows, kinds }) => {
    const known = [...kinds].map((code) => KINDS[kindIndex(events.kind.texts[code] ?? "")] ?? "host");
    return { rank, stream, events, rows, kinds: new Set(known) };
  });
}

function rowOfMarks(events: EventColumns, marks: MarkColumns, begin: number, end: number): Forest {
  const spans = marks.spans.subarray(begin, end);
  return buildForest({
    index: Uint32Array.from({ length: end - begin }, (_, k) => begin + k),
    start: marks.fromNs.subarray(begin, end),
    end: marks.toNs.subarray(begin, end),
    // Spans by themselves are drawn and found quicker.
    ...(spans.some((count) => count > 1) && {
      merged: { spans, busy: marks.busyNs.subarray(begin, end), longest: events.durNs.subarray(begin, end) },
    }),
  });
}

/** A row without spans. */
export const EMPTY: Forest = buildForest({
  index: new Uint32Array(0),
  start: new Float64Array(0),
  end: new Float64Array(0),
});
