/**
 * Drawing a row of spans at any zoom: spans narrower than a pixel are merged into buckets, each shown by its longest
 * span, found in O(log n) by a maximum tree over durations. (Perfetto draws slices by the same idea.)
 */

import { lowerBound, upperBound, type Row } from "./lanes";

/** What is known of a row beside its spans. */
export interface Forest {
  readonly row: Row;
  /** Maximum tree: inner node k holds the position of the longest span below it; leaves are implicit. */
  readonly longest: Uint32Array;
  /** Total length of the spans before each position. */
  readonly busy: Float64Array;
}

export function buildForest(row: Row): Forest {
  const count = row.start.length;
  const longest = new Uint32Array(count);
  const busy = new Float64Array(count + 1);
  for (let i = 0; i < count; i++) busy[i + 1] = (busy[i] ?? 0) + (row.end[i] ?? 0) - (row.start[i] ?? 0);
  const forest = { row, longest, busy };
  for (let node = count - 1; node > 0; node--)
    longest[node] = longer(row, at(forest, 2 * node), at(forest, 2 * node + 1));
  return forest;
}

/** Position held by a node of the tree: nodes from `count` on are the leaves. */
function at({ row, longest }: Forest, node: number): number {
  const count = row.start.length;
  return node >= count ? node - count : (longest[node] ?? 0);
}

/** The longer of two spans of a row, the earlier one of equals. */
function longer(row: Row, i: number, j: number): number {
  const a = (row.end[i] ?? 0) - (row.start[i] ?? 0);
  const b = (row.end[j] ?? 0) - (row.start[j] ?? 0);
  return a > b || (a === b && i < j) ? i : j;
}

/** Position of the longest span among [from, to), the earliest of equals; -1 if that is empty. */
export function longestIn(forest: Forest, from: number, to: number): number {
  const count = forest.row.start.length;
  let best = -1;
  let left = from + count;
  let right = to + count;
  while (left < right) {
    if (left & 1) {
      const candidate = at(forest, left++);
      best = best < 0 ? candidate : longer(forest.row, best, candidate);
    }
    if (right & 1) {
      const candidate = at(forest, --right);
      best = best < 0 ? candidate : longer(forest.row, best, candidate);
    }
    left >>= 1;
    right >>= 1;
  }
  return best;
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
 * ones as the longest of each bucket.
 */
export function visitVisible(forest: Forest, from: number, to: number, bucket: number, visit: Visit): void {
  const { start, end } = forest.row;
  let position = upperBound(end, from);
  while (position < start.length) {
    const begin = start[position] ?? 0;
    if (begin >= to) return;
    const finish = end[position] ?? 0;
    if (finish - begin >= bucket) {
      visit(position, 1, begin, finish, 1);
      position++;
      continue;
    }
    const bucketStart = Math.floor(begin / bucket) * bucket;
    let next = gallop(start, bucketStart + bucket, position + 1);
    // A span of a bucket's length or more that starts in this bucket can only be its last: it is drawn by itself.
    if (next - 1 > position && (end[next - 1] ?? 0) - (start[next - 1] ?? 0) >= bucket) next--;
    const count = next - position;
    if (count === 1) {
      visit(position, 1, begin, finish, 1);
    } else {
      const bucketEnd = Math.min(bucketStart + bucket, start[next] ?? Infinity);
      const cover = ((forest.busy[next] ?? 0) - (forest.busy[position] ?? 0)) / (bucketEnd - begin);
      visit(longestIn(forest, position, next), count, begin, bucketEnd, Math.min(1, cover));
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
