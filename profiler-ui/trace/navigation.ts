/** Moving the selection along a row, between rows and between spans of one op; from a collective's span to its others. */

import { spanRef, type LaneView, type SpanRef } from "./lane-view";
import { firstReaching, upperBound } from "./lanes";

/** Previous or next span of the row that starts at another time; null at its ends. */
export function neighbourOf({ lane, depth, position }: SpanRef, direction: -1 | 1): SpanRef | null {
  const start = lane.rows[depth]?.row.start ?? new Float64Array(0);
  let next = position + direction;
  while (next >= 0 && next < start.length && start[next] === start[position]) next += direction;
  return next >= 0 && next < start.length ? spanRef(lane, depth, next) : null;
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

/** The first span of the first compute lane inside a window: where the keyboard begins. */
export function firstIn(lanes: readonly LaneView[], from: number, to: number): SpanRef | null {
  const lane = lanes.find(({ stream }) => stream === 0);
  const row = lane?.rows[0]?.row;
  if (!lane || !row) return null;
  const position = firstReaching(row, from);
  return position < row.start.length && (row.start[position] ?? 0) < to ? spanRef(lane, 0, position) : null;
}

/** The same collective on every rank, by group and ordinal; empty for a span that is none. */
export function linkedSpans(lanes: readonly LaneView[], { lane, index }: SpanRef): SpanRef[] {
  const seq = lane.events.seq[index] ?? -1;
  const group = lane.events.group[index] ?? -1;
  return seq < 0
    ? []
    : collectiveIn(
        lanes.filter(({ stream }) => stream === lane.stream),
        group,
        seq,
      );
}

/** Spans of a collective, one a lane. */
export function collectiveIn(lanes: readonly LaneView[], group: number, seq: number): SpanRef[] {
  return lanes.flatMap((lane) => {
    const index = lane.rows[0]?.row.index ?? new Uint32Array(0);
    const position = index.findIndex((i) => lane.events.seq[i] === seq && lane.events.group[i] === group);
    return position < 0 ? [] : [spanRef(lane, 0, position)];
  });
}
