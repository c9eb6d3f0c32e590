/** How quick a run was for those who asked: by the clocks of its requests, the same on every page. */

import { median } from "./quantiles";
import type { RunRequest } from "./run";

/** Medians over the run's requests. */
export interface ServedSpeed {
  readonly requests: number;
  readonly firstTokenNs: number;
  /** Prompt tokens over the time to the first token; new tokens after the first over the time after it, NaN where none are. */
  readonly prefill: number;
  readonly decode: number;
}

/** Null for a run without requests. @example servedSpeed(run.requests)?.decode; // 812.5 tokens a second */
export function servedSpeed(requests: readonly RunRequest[]): ServedSpeed | null {
  if (requests.length === 0) return null;
  const of = (value: (request: RunRequest) => number, some = requests): number => median(some.map(value));
  // A request for one token never came to decode.
  const decoded = requests.filter(({ newTokens }) => newTokens > 1);
  return {
    requests: requests.length,
    firstTokenNs: of(({ ttftMs }) => ttftMs * 1e6),
    prefill: of(({ prefillTokensPerSecond }) => prefillTokensPerSecond),
    decode: of(({ decodeTokensPerSecond }) => decodeTokensPerSecond, decoded),
  };
}
