/**
 * How well the ranks' clocks agree, judged by collectives: all ranks leave one at nearly the same moment, so a rank
 * whose ends lie beside the others' has a clock beside theirs. Starts say nothing: they differ because ranks are late.
 */

import type { Collective } from "./collectives";
import type { EventColumns } from "./events";
import { median } from "./quantiles";
import type { RankClock } from "./run";

/** One rank's clock against the others': its time t reads `offsetNs + driftPerNs · t` too late. */
export interface RankAlignment {
  readonly rank: number;
  /** Collectives judged by. */
  readonly collectives: number;
  /** Median distance of its ends from the median end of all ranks. */
  readonly residualNs: number;
  /** Median absolute deviation of that distance. */
  readonly spreadNs: number;
  readonly offsetNs: number;
  readonly driftPerNs: number;
  /** The residual is larger than the clock's error and than its own spread: subtracting it makes the run truer. */
  readonly correct: boolean;
}

/** Pairs of ends that a drift is estimated from: the slopes of all pairs would be too many. */
const SAMPLES = 200;

/** Ends differ by this much for reasons that no clock knows: ranks wake one after another. */
const FLOOR_NS = 1000;

export function alignmentOf(
  events: EventColumns,
  collectives: readonly Collective[],
  clocks: readonly RankClock[],
): RankAlignment[] {
  const residuals = new Map<number, { at: number[]; by: number[] }>();
  for (const { spans } of collectives) {
    if (spans.length < 2) continue;
    const ends = spans.map((i) => (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0));
    const middle = median(ends);
    spans.forEach((i, k) => {
      const rank = events.rank[i] ?? 0;
      let known = residuals.get(rank);
      if (!known) residuals.set(rank, (known = { at: [], by: [] }));
      known.at.push(ends[k] ?? 0);
      known.by.push((ends[k] ?? 0) - middle);
    });
  }
  return [...residuals]
    .sort(([a], [b]) => a - b)
    .map(([rank, { at, by }]) => {
      const residualNs = median(by);
      const driftPerNs = driftOf(at, by);
      const offsetNs = median(by.map((value, k) => value - driftPerNs * (at[k] ?? 0)));
      const spreadNs = median(by.map((value, k) => Math.abs(value - offsetNs - driftPerNs * (at[k] ?? 0))));
      const clock = clocks.find((candidate) => candidate.rank === rank);
      const error = clock?.errorNs ?? 0;
      const reach = Math.max(...[at[0] ?? 0, at.at(-1) ?? 0].map((time) => Math.abs(offsetNs + driftPerNs * time)));
      // The host's clock is the run's: there is nothing to correct, its ranks do leave at different moments.
      const correct = clock?.method !== "host" && by.length >= 5 && reach > Math.max(error, FLOOR_NS, 3 * spreadNs);
      return { rank, collectives: by.length, residualNs, spreadNs, offsetNs, driftPerNs, correct };
    });
}

/** Slope by Theil and Sen: the median of slopes between points of the first and the second half. */
function driftOf(at: readonly number[], by: readonly number[]): number {
  const half = Math.floor(at.length / 2);
  if (half < 5) return 0;
  const stride = Math.max(1, Math.floor(half / SAMPLES));
  const slopes: number[] = [];
  for (let k = 0; k < half; k += stride) {
    const dt = (at[k + half] ?? 0) - (at[k] ?? 0);
    if (dt > 0) slopes.push(((by[k + half] ?? 0) - (by[k] ?? 0)) / dt);
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

/** Times of a rank that needs it with its clock corrected, whole nanoseconds. */
export function aligned(times: Float64Array, alignment: RankAlignment): Float64Array {
  return alignment.correct ? times.map((time) => alignedTime(time, alignment)) : times;
}

export function alignedTime(time: number, { offsetNs, driftPerNs, correct }: RankAlignment): number {
  return correct ? Math.round(time - offsetNs - driftPerNs * time) : time;
}
