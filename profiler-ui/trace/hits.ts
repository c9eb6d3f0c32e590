/** What a search found: the spans of each row, their number and time, and the way from one to the next. */

import { sameLane, spanRef, type LaneView, type SpanRef } from "./lane-view";
import { lowerBound, rowAt, upperBound } from "./lanes";
import { buildForest, busyIn, type Forest } from "./level-of-detail";
import { predicateOf, type Query } from "./search";

export interface Hits {
  /** The lanes with found spans alone: as many rows in each as it has, empty ones where nothing was found. */
  readonly lanes: readonly LaneView[];
  readonly count: number;
  /** Their time together, nanoseconds. */
  readonly ns: number;
}

/** The spans that fit `query`; null where it asks for nothing in particular. */
export function findHits(lanes: readonly LaneView[], query: Query): Hits | null {
  if (query.kind !== "terms") return null;
  let count = 0;
  let ns = 0;
  const found = lanes.map((lane): LaneView => {
    const fits = predicateOf(query, lane.events);
    const rows = lane.rows.map(({ row }): Forest => {
      const positions: number[] = [];
      row.index.forEach((i, position) => {
        if (fits?.(i)) positions.push(position);
      });
      const forest = buildForest(rowAt(row, positions));
      count += positions.length;
      ns += busyIn(forest, 0, positions.length);
      return forest;
    });
    return { ...lane, rows };
  });
  return { lanes: found, count, ns };
}

/** A place among hits: by time, then by lane and depth from top to bottom. */
interface Place {
  readonly time: number;
  readonly order: number;
}

function placeOf({ lanes }: Hits, { lane, depth, index }: SpanRef): Place {
  const time = lane.events.startNs[index] ?? 0;
  const above = lanes.findIndex((candidate) => sameLane(candidate, lane));
  return { time, order: depth + lanes.slice(0, Math.max(0, above)).reduce((sum, { rows }) => sum + rows.length, 0) };
}

/** Of each row with hits its lane, depth and place from top to bottom. */
function* placed({ lanes }: Hits): Iterable<{ lane: LaneView; depth: number; order: number; start: Float64Array }> {
  let order = 0;
  for (const lane of lanes)
    for (const [depth, { row }] of lane.rows.entries()) yield { lane, depth, order: order++, start: row.start };
}

/** The hit after or before `span`, or the first or last one from `time` on; around the ends. It stands among the hits. */
export function nextHit(hits: Hits, from: SpanRef | number, direction: -1 | 1): SpanRef | null {
  const here: Place =
    typeof from === "number" ? { time: from, order: direction > 0 ? -1 : Infinity } : placeOf(hits, from);
  const whole: Place = direction > 0 ? { time: -Infinity, order: -1 } : { time: Infinity, order: Infinity };
  return nearest(hits, here, direction) ?? nearest(hits, whole, direction);
}

function nearest(hits: Hits, here: Place, direction: -1 | 1): SpanRef | null {
  let best = null as { readonly span: SpanRef; readonly time: number } | null;
  for (const { lane, depth, order, start } of placed(hits)) {
    const at =
      direction > 0
        ? (order > here.order ? lowerBound : upperBound)(start, here.time)
        : (order < here.order ? upperBound : lowerBound)(start, here.time) - 1;
    const time = start[at];
    if (time === undefined || (best && direction * (best.time - time) < 0)) continue;
    // Of equal times the topmost comes first on the way forward, last on the way back.
    if (best?.time === time && direction > 0) continue;
    best = { span: spanRef(lane, depth, at), time };
  }
  return best?.span ?? null;
}

/** Which hit `span` is, counted from one; 0 if it is none. */
export function ordinalOf(hits: Hits, span: SpanRef): number {
  const here = placeOf(hits, span);
  let before = 0;
  let isHit = false;
  for (const { order, start } of placed(hits)) {
    before += (order < here.order ? upperBound : lowerBound)(start, here.time);
    if (order === here.order) isHit = start[lowerBound(start, here.time)] === here.time;
  }
  return isHit ? before + 1 : 0;
}
