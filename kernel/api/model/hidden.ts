/** Hidden states for those who look inside: the residual stream behind any layer, or the final norm's output. */

import { native } from "../errors";
import type { NativeEngine } from "../native";
import { abortSignal, integer, type Rule, type Rules } from "../options";
import { cancellable, newJob } from "./jobs";

export interface EmbeddingsOptions {
  /** Tokens a step; all chunks give the same values. As many as fit unless given. */
  readonly chunk?: number;
  readonly signal?: AbortSignal;
}

export interface HiddenStatesOptions extends EmbeddingsOptions {
  /** Layers to look behind, from 0; -1 is the embedding. All layers unless given. */
  readonly layers?: readonly number[];
}

const layerList = (count: number): Rule<readonly number[]> => ({
  expected: `a list of layers from -1 (the embedding) to ${count - 1}`,
  accepts: (value): value is readonly number[] =>
    Array.isArray(value) && value.length > 0 && value.every((one) => integer(-1, count - 1).accepts(one)),
});

export function embeddingsRules(maxTokens: number): Rules<EmbeddingsOptions> {
  return { chunk: integer(1, maxTokens), signal: abortSignal };
}

export function hiddenStatesRules(maxTokens: number, layers: number): Rules<HiddenStatesOptions> {
  return { ...embeddingsRules(maxTokens), layers: layerList(layers) };
}

/** States behind each of `layers`, [tokens × hidden] each; the number of layers stands for the final norm. */
export async function hiddenStates(
  engine: NativeEngine,
  tokens: Int32Array,
  layers: readonly number[],
  chunk: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  const tag = newJob();
  const job = {
    ...tag,
    tokens,
    chunk: Math.min(tokens.length, chunk),
    layers: Int32Array.from(layers),
  };
  const run = (): Promise<Float32Array> => native(() => engine.hidden(job));
  const values = await cancellable("hiddenStates", signal, () => engine.cancel(tag.job), run);
  const size = values.length / layers.length;
  return layers.map((_, index) => values.subarray(index * size, (index + 1) * size));
}
