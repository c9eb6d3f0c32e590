/** Log-probabilities of a generation's tokens: the model's own, before penalties, temperature and what sampling leaves out. */

import { textTable } from "../draw/table";
import type { Tokenizer } from "../text/tokenizer";

export interface Likelihood {
  readonly token: number;
  /** The token alone as text; "" without a tokenizer. */
  readonly text: string;
  /** Natural logarithm of its probability. */
  readonly logprob: number;
}

/** Of one new token. */
export interface TokenLogprobs extends Likelihood {
  /** The likeliest tokens in its place, most likely first. */
  readonly top: readonly Likelihood[];
}

/** Reads what the engine gives for `count` tokens: as many values a token, its own first. */
export function readLogprobs(
  count: number,
  ids: Int32Array,
  values: Float32Array,
  tokenizer: Tokenizer | undefined,
): TokenLogprobs[] {
  const each = ids.length / count;
  const likelihood = (at: number): Likelihood => {
    const token = ids[at] ?? 0;
    return { token, text: tokenizer?.decode([token]) ?? "", logprob: values[at] ?? NaN };
  };
  return Array.from({ length: count }, (_, index) => {
    const first = index * each;
    const top = Array.from({ length: each - 1 }, (_one, rank) => likelihood(first + 1 + rank));
    return { ...likelihood(first), top };
  });
}

/** A row a token, for terminals. */
export function logprobTable(list: readonly TokenLogprobs[]): string {
  const shown = ({ token, text }: Likelihood): string => (text === "" ? String(token) : JSON.stringify(text));
  return textTable({
    columns: [{ title: "token" }, { title: "logprob", align: "right" }, { title: "likeliest" }],
    rows: list.map((one) => [
      shown(one),
      one.logprob.toFixed(3),
      one.top.map((other) => `${shown(other)} ${other.logprob.toFixed(3)}`).join("  "),
    ]),
  });
}
