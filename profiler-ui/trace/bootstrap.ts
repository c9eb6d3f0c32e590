/** How sure a mean is: Efron's percentile bootstrap, from a fixed seed, so that the same runs give the same interval. */

import { quantile } from "./quantiles";

/** 95 % of resamples have their mean in here. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Values that are drawn together, since they depend on each other: their sum and number. */
export interface Block {
  readonly sum: number;
  readonly count: number;
}

/** Resamples; fewer of many blocks, whose interval settles sooner. */
const RESAMPLES = 1000;
const RESAMPLES_OF_MANY = 250;
const MANY = 2000;

/** Interval of the mean of all values when whole blocks are drawn with replacement; null for fewer than five blocks. */
export function bootstrapMean(blocks: readonly Block[]): Interval | null {
  const n = blocks.length;
  if (n < 5) return null;
  const sums = Float64Array.from(blocks, ({ sum }) => sum);
  const counts = Float64Array.from(blocks, ({ count }) => count);
  const random = generator(n);
  const means = new Float64Array(n > MANY ? RESAMPLES_OF_MANY : RESAMPLES);
  for (let k = 0; k < means.length; k++) {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < n; i++) {
      const drawn = Math.floor(random() * n);
      sum += sums[drawn] ?? 0;
      count += counts[drawn] ?? 0;
    }
    means[k] = count === 0 ? 0 : sum / count;
  }
  means.sort();
  return { low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

/** Whether the interval leaves no doubt about the sign. */
export function excludesZero(interval: Interval | null): boolean {
  return interval !== null && (interval.low > 0 || interval.high < 0);
}

/** Numbers in [0, 1): xorshift32 (Marsaglia, 2003). */
function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}
