/**
 * Drawing a row of spans at any zoom: spans narrower than a pixel are merged into buckets, each shown by its longest
 * span, found in O(log n) by a maximum tree over durations. (Perfetto draws slices by the same idea.)
 */

import { firstReaching, lowerBound, spansIn, type Row } from "./lanes";

/** What is known of a row beside its spans: little a span, so that much of it stays in the caches while it is drawn. */
export interface Forest {
  readonly row: Row;
  /** Maximum tree over blocks of spans: node k holds the position of the longest span below it. */
  readonly longest: Uint32Array;
  /** Total length of the spans before each block. */
  readonly busy: Float64Array;
}

/** Spans of a block. */
const BLOCK = 16;

export function buildForest(row: Row): Forest {
  const count = row.start.length;
  const blocks = Math.ceil(count / BLOCK);
  const longest = new Uint32Array(2 * blocks);
  const busy = new Float64Array(blocks + 1);
  for (let block = 0; block < blocks; block++) {
    const from = block * BLOCK;
    const to = Math.min(from + BLOCK, count);
    longest[blocks + block] = longestOf(row, from, to, -1);
    busy[block + 1] = (busy[block] ?? 0) + lengthOf(row, from, to);
  }
  for (let node = blocks - 1; node > 0; node--)
    longest[node] = longer(row, longest[2 * node] ?? 0, longest[2 * node + 1] ?? 0);
  return { row, longest, busy };
}

/** The longer of two spans of a row, the earlier one of equals. */
function longer(row: Row, i: number, j: number): number {
  const { start, end, merged } = row;
  const a = merged ? (merged.longest[i] ?? 0) : (end[i] ?? 0) - (start[i] ?? 0);
  const b = merged ? (merged.longest[j] ?? 0) : (end[j] ?? 0) - (start[j] ?? 0);
  return a > b || (a === b && i < j) ? i : j;
}

/** The longest of [from, to) and `best`, if that is one. */
function longestOf(row: Row, from: number, to: number, best: number): number {
  for (let i = from; i < to; i++) best = best < 0 ? i : longer(row, best, i);
  return best;
}

function lengthOf({ start, end, merged }: Row, from: number, to: number): number {
  let length = 0;
  if (merged) for (let i = from; i < to; i++) length += merged.busy[i] ?? 0;
  else for (let i = from; i < to; i++) length += (end[i] ?? 0) - (start[i] ?? 0);
  return length;
}

/** Position of the longest span among [from, to), the earliest of equals; -1 if that is empty. */
export function longestIn({ row, longest }: Forest, from: number, to: number): number {
  const blocks = longest.length / 2;
  const first = Math.ceil(from / BLOCK);
  const after = Math.floor(to / BLOCK);
  if (first >= after) return longestOf(row, from, to, -1);
  let best = longestOf(row, from, first * BLOCK, -1);
  const take = (node: number): void => {
    const candidate = longest[node] ?? 0;
    best = best < 0 ? candidate : longer(row, best, candidate);
  };
  let left = first + blocks;
  let right = after + blocks;
  while (left < right) {
    if (left & 1) take(left++);
    if (right & 1) take(--right);
    left >>= 1;
    right >>= 1;
  }
  return longestOf(row, after * BLOCK, to, best);
}

/** Total length of the spans [from, to). */
export function busyIn({ row, busy }: Forest, from: number, to: number): number {
  const before = (position: number): number => {
    const block = Math.floor(position / BLOCK);
    return (busy[block] ?? 0) + lengthOf(row, block * BLOCK, position);
  };
  return before(to) - before(from);
}

/**
 * Width of a bucket in nanoseconds: the power of two at or above `nsPerPixel`. Buckets start at its multiples, so that
 * panning does not change what is merged.
 */
export function bucketNs(nsPerPixel: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(nsPerPixel, 1e-3)));
}

/**
 * Something to draw in [start, end): the span at `position`, by itself (count 1) or for `count` neighbours of which it is
 * the longest; `cover` is the share of [start, end) in which one of them runs.
 */
export type Visit = (position: number, count: number, start: number, end: number, cover: number) => void;

/**
 * Visits what is to be drawn of a row in [from, to): a span of at least a bucket's length by itself, runs of shorter
 * ones as the longest of each bucket. Buckets are counted from `origin`.
 */
export function visitVisible(
  forest: Forest,
  from: number,
  to: number,
  bucket: number,
  visit: Visit,
  origin: number = 0,
): void {
  const { row } = forest;
  const { start, end, merged } = row;
  const alone = (position: number, begin: number, finish: number): void => {
    const spans = merged?.spans[position] ?? 1;
    const cover = merged && spans > 1 ? Math.min(1, (merged.busy[position] ?? 0) / Math.max(1, finish - begin)) : 1;
    visit(position, spans, begin, finish, cover);
  };
  let position = firstReaching(row, from);
  while (position < start.length) {
    const begin = start[position] ?? 0;
    if (begin >= to) return;
    const finish = end[position] ?? 0;
    if (finish - begin >= bucket) {
      alone(position, begin, finish);
      position++;
      continue;
    }
    const bucketStart = Math.floor((begin - origin) / bucket) * bucket + origin;
    let next = gallop(start, bucketStart + bucket, position + 1);
    // A span of a bucket's length or more that starts in this bucket can only be its last: it is drawn by itself.
    if (next - 1 > position && (end[next - 1] ?? 0) - (start[next - 1] ?? 0) >= bucket) next--;
    const count = next - position;
    if (count === 1) {
      alone(position, begin, finish);
    } else {
      const bucketEnd = Math.min(bucketStart + bucket, start[next] ?? Infinity);
      const cover = busyIn(forest, position, next) / (bucketEnd - begin);
      const spans = merged ? spansIn(row, position, next) : count;
      visit(longestIn(forest, position, next), spans, begin, bucketEnd, Math.min(1, cover));
    }
    position = next;
  }
}

/** First position from `low` on whose value is not below `value`, found near `low` first. */
function gallop(sorted: Float64Array, value: number, low: number): number {
  let step = 1;
  while (low + step < sorted.length && (sorted[low + step] ?? 0) < value) step *= 2;
  return lowerBound(sorted, value, low, Math.min(low + step + 1, sorted.length));
}
