/** Events laid out for drawing: a lane per rank and stream, a row per nesting depth. */

import { RunError } from "./errors";
import type { EventColumns, Numbers } from "./events";
import { STEP } from "./kinds";

/** Spans of one depth of a lane: by start, never overlapping. */
export interface Row {
  /** Positions in the lane's events. */
  readonly index: Uint32Array;
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Where entries stand for several spans: how many, the time these run, and the length of the longest, at which `index` points. */
  readonly merged?: { readonly spans: Numbers; readonly busy: Numbers; readonly longest: Numbers };
}

/** Spans that the entries [from, to) stand for. */
export function spansIn({ merged }: Row, from: number, to: number): number {
  if (!merged) return Math.max(0, to - from);
  let count = 0;
  for (let i = from; i < to; i++) count += merged.spans[i] ?? 0;
  return count;
}

/** The entries of a row at `positions`, which ascend. */
export function rowAt(row: Row, positions: readonly number[]): Row {
  return {
    index: Uint32Array.from(positions, (k) => row.index[k] ?? 0),
    start: Float64Array.from(positions, (k) => row.start[k] ?? 0),
    end: Float64Array.from(positions, (k) => row.end[k] ?? 0),
  };
}

export interface Lane {
  readonly rank: number;
  readonly stream: number;
  /** Positions of all its events, by start time; of spans that start together the longest first. */
  readonly index: Uint32Array;
  /** Row 0 holds the outermost spans, row d those inside d others. */
  readonly rows: readonly Row[];
}

/** Whether the spans of depth `depth` lie inside other ops; `outer` is the index of the lane's row 0. Whole steps are the frame of ops, not ops themselves. */
export function isNested(events: EventColumns, outer: Uint32Array | undefined, depth: number): boolean {
  const outermost = outer?.[0] ?? 0;
  const framed = events.name.texts[events.name.codes[outermost] ?? 0] === STEP;
  return depth > (framed ? 1 : 0);
}

/** Order of streams inside a rank: its steps first, then compute, then communication. */
function streamOrder(stream: number): number {
  return stream === 2 ? -1 : stream;
}

/** Streams of all ranks together: each takes some kilobytes, however few spans it has. */
export const MOST_LANES = 4096;

/**
 * Positions of the events of each rank and stream, by start time; of spans that start together the longest first.
 *
 * @throws RunError `E_RUN_UNREADABLE` where there are too many
 */
export function laneIndices(events: EventColumns): { rank: number; stream: number; index: Uint32Array }[] {
  const { count, rank: ranks, stream: streams } = events;
  const lanes: { rank: number; stream: number }[] = [];
  const numbers = new Map<number, number>();
  const laneOf = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const rank = ranks[i] ?? 0;
    const stream = streams[i] ?? 0;
    const key = rank * 65536 + stream;
    let number = numbers.get(key);
    if (number === undefined) {
      if (lanes.length === MOST_LANES) {
        const message = `it has more than ${MOST_LANES} ranks and streams, the most that are drawn; SQL answers questions about more`;
        throw new RunError("E_RUN_UNREADABLE", message, { lanes: MOST_LANES });
      }
      numbers.set(key, (number = lanes.push({ rank, stream }) - 1));
    }
    laneOf[i] = number;
  }
  const counts = new Uint32Array(lanes.length);
  for (const number of laneOf) counts[number] = (counts[number] ?? 0) + 1;
  const indices = lanes.map((_, k) => new Uint32Array(counts[k] ?? 0));
  const used = new Uint32Array(lanes.length);
  for (let i = 0; i < count; i++) {
    const number = laneOf[i] ?? 0;
    const index = indices[number];
    const at = used[number] ?? 0;
    if (index) index[at] = i;
    used[number] = at + 1;
  }
  return lanes
    .map(({ rank, stream }, k) => ({ rank, stream, index: outermostFirst(events, indices[k] ?? new Uint32Array(0)) }))
    .sort((a, b) => a.rank - b.rank || streamOrder(a.stream) - streamOrder(b.stream));
}

function outermostFirst(events: EventColumns, index: Uint32Array): Uint32Array {
  const { startNs, durNs } = events;
  const before = (a: number, b: number): number =>
    (startNs[a] ?? 0) - (startNs[b] ?? 0) || (durNs[b] ?? 0) - (durNs[a] ?? 0) || a - b;
  let ordered = true;
  for (let k = 1; ordered && k < index.length; k++) ordered = before(index[k - 1] ?? 0, index[k] ?? 0) <= 0;
  return ordered ? index : index.sort(before);
}

/**
 * Depth of each span of one lane: the first row that is free when it starts. For spans that nest this is the number
 * of spans around it; spans that overlap without nesting go to rows of their own instead of hiding each other.
 */
export function depthsOf(events: EventColumns, index: Uint32Array): Uint8Array {
  const depths = new Uint8Array(index.length);
  const freeAt: number[] = [];
  for (let k = 0; k < index.length; k++) {
    const i = index[k] ?? 0;
    const start = events.startNs[i] ?? 0;
    let depth = 0;
    while (depth < 255 && depth < freeAt.length && (freeAt[depth] ?? 0) > start) depth++;
    freeAt[depth] = start + (events.durNs[i] ?? 0);
    depths[k] = depth;
  }
  return depths;
}

/** All lanes of a run, by rank, then steps, compute, communication. */
export function buildLanes(events: EventColumns): Lane[] {
  return laneIndices(events).map(({ rank, stream, index }) => {
    const depths = depthsOf(events, index);
    if (depths.every((depth) => depth === 0) && index.every((i, k) => i === k) && index.length === events.count) {
      // All events in one row: their starts are the row's.
      const end = events.startNs.map((start, i) => start + (events.durNs[i] ?? 0));
      return { rank, stream, index, rows: [{ index, start: events.startNs, end }] };
    }
    const sizes: number[] = [];
    for (const depth of depths) sizes[depth] = (sizes[depth] ?? 0) + 1;
    const rows = Array.from(sizes, (size = 0) => ({
      index: new Uint32Array(size),
      start: new Float64Array(size),
      end: new Float64Array(size),
    }));
    const used = new Uint32Array(rows.length);
    for (let k = 0; k < index.length; k++) {
      const i = index[k] ?? 0;
      const depth = depths[k] ?? 0;
      const row = rows[depth];
      const at = used[depth] ?? 0;
      if (!row) continue;
      row.index[at] = i;
      row.start[at] = events.startNs[i] ?? 0;
      row.end[at] = (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0);
      used[depth] = at + 1;
    }
    return { rank, stream, index, rows };
  });
}

/** From the first span's start to the last one's end; 0 to 0 without spans. */
export function extentOf(lanes: readonly Lane[]): { readonly first: number; readonly last: number } {
  let first = Infinity;
  let last = 0;
  for (const { rows } of lanes) {
    for (const { start, end } of rows) {
      first = Math.min(first, start[0] ?? Infinity);
      last = Math.max(last, end[end.length - 1] ?? 0);
    }
  }
  return first === Infinity ? { first: 0, last: 0 } : { first, last };
}

/** First position of `sorted`, from `low` on, whose value is above `value`. */
export function upperBound(sorted: Float64Array, value: number, low = 0, high: number = sorted.length): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First position of `sorted`, from `low` on, whose value is not below `value`. */
export function lowerBound(sorted: Float64Array, value: number, low = 0, high: number = sorted.length): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Position of the first span of `row` that reaches into what begins at `from`; one without length does where it stands. */
export function firstReaching({ start, end }: Row, from: number): number {
  return Math.min(upperBound(end, from), lowerBound(start, from));
}

/** Position in `row` of the span that covers `time`, -1 if there is none. */
export function spanAt(row: Row, time: number): number {
  const position = upperBound(row.start, time) - 1;
  return position >= 0 && (row.end[position] ?? 0) > time ? position : -1;
}
