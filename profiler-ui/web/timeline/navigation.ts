/** Moving the selection along a row, between rows and between spans of one op. */

import { upperBound } from "../../trace/lanes";
import { spanRef, type LaneView, type SpanRef } from "./lane-view";

/** Previous or next span of the row; null at its ends. */
export function neighbourOf({ lane, depth, position }: SpanRef, direction: -1 | 1): SpanRef | null {
  const next = position + direction;
  return next >= 0 && next < (lane.rows[depth]?.row.start.length ?? 0) ? spanRef(lane, depth, next) : null;
}

/** Previous or next span of the same op in the row; null when there is none. */
export function occurrenceOf(span: SpanRef, direction: -1 | 1): SpanRef | null {
  const { codes } = span.lane.events.name;
  for (let next = neighbourOf(span, direction); next; next = neighbourOf(next, direction)) {
    if (codes[next.index] === codes[span.index]) return next;
  }
  return null;
}

/** Span of the row above or below that runs when `span` starts, or else the one before it. */
export function rowBeside(lanes: readonly LaneView[], span: SpanRef, direction: -1 | 1): SpanRef | null {
  const rows = lanes.flatMap((lane) => lane.rows.map((forest, depth) => ({ lane, depth, row: forest.row })));
  const here = rows.findIndex(({ lane, depth }) => lane === span.lane && depth === span.depth);
  const beside = rows[here + direction];
  if (here < 0 || !beside) return null;
  const start = span.lane.events.startNs[span.index] ?? 0;
  return spanRef(beside.lane, beside.depth, Math.max(0, upperBound(beside.row.start, start) - 1));
}

/** The longest span of the first compute lane inside a window: where the keyboard begins. */
export function firstIn(lanes: readonly LaneView[], from: number, to: number): SpanRef | null {
  const lane = lanes.find(({ stream }) => stream === 0);
  const row = lane?.rows[0]?.row;
  if (!lane || !row) return null;
  const position = upperBound(row.end, from);
  return position < row.start.length && (row.start[position] ?? 0) < to ? spanRef(lane, 0, position) : null;
}
