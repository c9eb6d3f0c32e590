/** How quick a run was for those who asked: by the clocks of its requests, the same on every page. */

import { quantile } from "./quantiles";
import type { RunRequest } from "./run";

/** Medians over the run's requests. */
export interface ServedSpeed {
  readonly requests: number;
  readonly firstTokenNs: number;
  /** Prompt tokens over the time to the first token; new tokens after the first over the time after it. */
  readonly prefill: number;
  readonly decode: number;
}

/** Null for a run without requests. @example servedSpeed(run.requests)?.decode; // 812.5 tokens a second */
export function servedSpeed(requests: readonly RunRequest[]): ServedSpeed | null {
  if (requests.length === 0) return null;
  const median = (value: (request: RunRequest) => number): number =>
    quantile(Float64Array.from(requests, value).sort(), 0.5);
  return {
    requests: requests.length,
    firstTokenNs: median(({ ttftMs }) => ttftMs * 1e6),
    prefill: median(({ prefillTokensPerSecond }) => prefillTokensPerSecond),
    decode: median(({ decodeTokensPerSecond }) => decodeTokensPerSecond),
  };
}
