/** What a search found: the spans of each row, their number and time, and the way from one to the next. */

import { predicateOf, type Query } from "../../trace/search";
import { lowerBound, upperBound, type Row } from "../../trace/lanes";
import { buildForest, busyIn, type Forest } from "../../trace/level-of-detail";
import { spanRef, type LaneView, type SpanRef } from "./lane-view";

export interface Hits {
  /** Found spans of each lane by depth, null where the depth has none. */
  readonly rows: ReadonlyMap<LaneView, readonly (Forest | null)[]>;
  readonly count: number;
  /** Their time together, nanoseconds. */
  readonly ns: number;
}

/** The spans that fit `query`; null where it asks for nothing in particular. */
export function findHits(lanes: readonly LaneView[], query: Query): Hits | null {
  if (query.kind !== "terms") return null;
  const rows = new Map<LaneView, (Forest | null)[]>();
  let count = 0;
  let ns = 0;
  for (const lane of lanes) {
    const fits = predicateOf(query, lane.events);
    const found = lane.rows.map(({ row }): Forest | null => {
      const positions: number[] = [];
      row.index.forEach((i, position) => {
        if (fits?.(i)) positions.push(position);
      });
      if (positions.length === 0) return null;
      const forest = buildForest(rowAt(row, positions));
      count += positions.length;
      ns += busyIn(forest, 0, positions.length);
      return forest;
    });
    rows.set(lane, found);
  }
  return { rows, count, ns };
}

function rowAt(row: Row, positions: readonly number[]): Row {
  return {
    index: Uint32Array.from(positions, (k) => row.index[k] ?? 0),
    start: Float64Array.from(positions, (k) => row.start[k] ?? 0),
    end: Float64Array.from(positions, (k) => row.end[k] ?? 0),
  };
}

/** A place among hits: by time, then by lane and depth from top to bottom. */
interface Place {
  readonly time: number;
  readonly order: number;
}

function placeOf({ rows }: Hits, { lane, depth, index }: SpanRef): Place {
  let order = 0;
  for (const [candidate, found] of rows) {
    if (candidate === lane) return { time: lane.events.startNs[index] ?? 0, order: order + depth };
    order += found.length;
  }
  return { time: lane.events.startNs[index] ?? 0, order: 0 };
}

/** The hit after or before `span`, or the first or last one from `time` on; around the ends. */
export function nextHit(hits: Hits, from: SpanRef | number, direction: -1 | 1): SpanRef | null {
  const here: Place =
    typeof from === "number" ? { time: from, order: direction > 0 ? -1 : Infinity } : placeOf(hits, from);
  const whole: Place = direction > 0 ? { time: -Infinity, order: -1 } : { time: Infinity, order: Infinity };
  return nearest(hits, here, direction) ?? nearest(hits, whole, direction);
}

function nearest({ rows }: Hits, here: Place, direction: -1 | 1): SpanRef | null {
  let best: { span: SpanRef; time: number } | null = null;
  let order = 0;
  for (const [lane, found] of rows) {
    found.forEach((forest, depth) => {
      const place = order + depth;
      if (!forest) return;
      const { start } = forest.row;
      const at =
        direction > 0
          ? (place > here.order ? lowerBound : upperBound)(start, here.time)
          : (place < here.order ? upperBound : lowerBound)(start, here.time) - 1;
      const time = start[at];
      if (time === undefined || (best && direction * (best.time - time) < 0)) return;
      // Of equal times the topmost comes first on the way forward, last on the way back.
      if (best && best.time === time && direction > 0) return;
      const row = lane.rows[depth]?.row;
      if (row) best = { span: spanRef(lane, depth, lowerBound(row.start, time)), time };
    });
    order += found.length;
  }
  return (best as { span: SpanRef } | null)?.span ?? null;
}

/** Which hit `span` is, counted from one; 0 if it is none. */
export function ordinalOf(hits: Hits, span: SpanRef): number {
  const here = placeOf(hits, span);
  let before = 0;
  let order = 0;
  let isHit = false;
  for (const [lane, found] of hits.rows) {
    found.forEach((forest, depth) => {
      if (!forest) return;
      const place = order + depth;
      const { start } = forest.row;
      before += (place < here.order ? upperBound : lowerBound)(start, here.time);
      if (place === here.order) isHit = start[lowerBound(start, here.time)] === here.time;
    });
    order += lane.rows.length;
  }
  return isHit ? before + 1 : 0;
}
