/**
 * Perplexity of a text: windows that each start from an empty state, their first token not scored. With a stride they
 * overlap, and a token is scored in the first window that has it: the longer the overlap, the more it could see.
 */

import { formatNumber } from "../../../profiler-ui/trace/format";
import { drawable } from "../display";
import { native } from "../errors";
import type { NativeEngine } from "../native";
import { abortSignal, callback, integer, invalid, type Rules } from "../options";
import type { Progress } from "../progress";
import type { Tokenizer } from "../text/tokenizer";
import { cancellable, newJob } from "./jobs";

export interface PerplexityOptions {
  /** Tokens a window, 512 unless given; the last may be shorter. */
  readonly window?: number;
  /** Tokens from one window to the next, at most `window`, which it is unless given. */
  readonly stride?: number;
  /** Only the first windows. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Windows done and in all. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Perplexity {
  /** exp(nll). */
  readonly perplexity: number;
  /** Mean natural-log loss a scored token. */
  readonly nll: number;
  /** Loss in bits over the bytes of the scored tokens; NaN without a tokenizer. */
  readonly bitsPerByte: number;
  /** Tokens in the windows. */
  readonly tokens: number;
  readonly scoredTokens: number;
  readonly windows: number;
  /** Loss summed over each window. */
  readonly windowNll: readonly number[];
}

export const perplexityRules: Rules<PerplexityOptions> = {
  window: integer(2, 2 ** 31 - 1),
  stride: integer(1, 2 ** 31 - 1),
  limit: integer(1),
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

interface Scorer {
  readonly engine: NativeEngine;
  readonly tokenizer: Tokenizer | undefined;
  readonly maxTokens: number;
}

/** @throws AbortedError `E_ABORTED` */
export async function perplexity(scorer: Scorer, tokens: Int32Array, options: PerplexityOptions): Promise<Perplexity> {
  const { window = 512, stride = window, limit = Infinity, signal, onProgress } = options;
  if (stride > window) invalid("stride", `at most window = ${window}`, stride);
  const windows = Math.min(limit, 1 + Math.ceil(Math.max(0, tokens.length - window) / stride));
  const windowNll: number[] = [];
  let scoredTokens = 0;
  let scoredBytes = 0;
  for (let w = 0; w < windows; w++) {
    const part = tokens.slice(w * stride, w * stride + window);
    // Its first tokens were scored in the window before; without overlap the first one has nothing before it.
    const begin = w === 0 ? 1 : Math.max(1, window - stride);
    windowNll.push(part.length < 2 ? 0 : await score(scorer, part, begin, signal));
    scoredTokens += part.length - begin;
    scoredBytes += scorer.tokenizer?.bytesFrom(part, begin) ?? NaN;
    onProgress?.({ done: w + 1, total: windows });
  }
  const loss = windowNll.reduce((sum, nll) => sum + nll, 0);
  const nll = loss / scoredTokens;
  const result = {
    perplexity: Math.exp(nll),
    nll,
    bitsPerByte: loss / Math.LN2 / scoredBytes,
    tokens: Math.min(tokens.length, (windows - 1) * stride + window),
    scoredTokens,
    windows,
    windowNll,
  };
  return drawable(result, () => ({
    "text/plain":
      `perplexity ${formatNumber(result.perplexity)} a token, ${formatNumber(result.bitsPerByte)} bits a byte ` +
      `(${scoredTokens} tokens scored in ${windows} windows of ${window}${stride < window ? ` every ${stride}` : ""})`,
  }));
}

async function score(
  { engine, maxTokens }: Scorer,
  tokens: Int32Array,
  begin: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const tag = newJob();
  const job = { ...tag, tokens, chunk: Math.min(tokens.length, maxTokens) };
  const run = (): Promise<Float32Array> => native(() => engine.score(job));
  const losses = await cancellable("perplexity", signal, () => engine.cancel(tag.job), run);
  // The first loss is that of token 1.
  return losses.subarray(begin - 1).reduce((sum, loss) => sum + loss, 0);
}
