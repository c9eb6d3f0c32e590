/** Generates from one prompt: the engine's tokens become text, stop strings and signals end it, the outcome has its figures. */

import { formatBytes, formatNumber } from "../../../profiler-ui/trace/format";
import { drawable, type MimeBundle } from "../display";
import { escapeHtml } from "../draw/table";
import { aborted, native } from "../errors";
import type { GenerateResult, NativeEngine, NativeState, Sampling } from "../native";
import { abortSignal, callback, flag, integer, number, type Rule, type Rules } from "../options";
import { TextStream } from "../text/text-stream";
import type { Tokenizer } from "../text/tokenizer";
import { cancellable, newJob } from "./jobs";
import { readLogprobs, type TokenLogprobs } from "./logprobs";

/** One new token, and the text that it completed: "" in the middle of a character or of a possible stop string. */
export interface TokenPiece {
  readonly token: number;
  readonly text: string;
  /** Where `logprobs` asks for them. */
  readonly logprobs?: TokenLogprobs;
  /** Which of several prompts it follows. */
  readonly prompt?: number;
}

export interface GenerateOptions {
  /** 128 unless given. */
  readonly maxNewTokens?: number;
  /** 0, the default, takes the most likely token. */
  readonly temperature?: number;
  /** Only the k most likely tokens; 0, the default, means all. */
  readonly topK?: number;
  /** Only the most likely tokens that together have this probability; 1, the default, means all. */
  readonly topP?: number;
  /** Only tokens of at least this share of the likeliest one's probability; 0, the default, means all. */
  readonly minP?: number;
  /** Above 1 makes tokens of the prompt and the text so far less likely; 1, the default, changes nothing. */
  readonly repetitionPenalty?: number;
  /** Integer; the same seed gives the same tokens. 0 unless given. */
  readonly seed?: number;
  /** Texts before which the generation ends. */
  readonly stop?: string | readonly string[];
  /** Token ids that end the generation, instead of the model's own. */
  readonly stopTokens?: readonly number[];
  /** Report each token's log-probability, and those of this many likeliest ones; 0: its own only. */
  readonly logprobs?: number;
  /**
   * Reuse what earlier prompts had in common with this one; on unless given. It changes no bit of the result, unless
   * `allReduce` takes different types for messages of different sizes.
   */
  readonly cache?: boolean;
  /** Ends the generation within a step; the call rejects with AbortedError. */
  readonly signal?: AbortSignal;
  readonly onToken?: (piece: TokenPiece) => void;
}

export interface Generation {
  readonly text: string;
  /** New tokens. One that ended the generation is among them. */
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  /** Of the prompt, that the prefix cache had. */
  readonly cachedTokens: number;
  readonly finish: "length" | "stop";
  /** Milliseconds from the engine's start on the prompt to the first new token. */
  readonly ttftMs: number;
  /** Of those that were computed. */
  readonly prefillTokensPerSecond: number;
  /** Tokens after the first, a second; 0 if there are none. */
  readonly decodeTokensPerSecond: number;
  /** Sent by all ranks together. */
  readonly wireBytes: number;
  /** A token each, where `logprobs` asks for them. */
  readonly logprobs?: readonly TokenLogprobs[];
}

const texts: Rule<string | readonly string[]> = {
  expected: "a text that is not empty, or a list of such",
  accepts: (v): v is string | readonly string[] =>
    (Array.isArray(v) ? (v as unknown[]) : [v]).every((one) => typeof one === "string" && one !== ""),
};

const tokenIds: Rule<readonly number[]> = {
  expected: "a list of token ids",
  accepts: (v): v is readonly number[] =>
    Array.isArray(v) && v.every((id) => Number.isInteger(id) && id >= 0 && id < 2 ** 31),
};

/** How the next token is chosen, and what is said of it. */
export type SamplingOptions = Pick<
  GenerateOptions,
  "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "seed" | "logprobs"
>;

export const samplingRules: Rules<SamplingOptions> = {
  temperature: number(0),
  topK: integer(0, 2 ** 31 - 1),
  topP: number(Number.MIN_VALUE, 1),
  minP: number(0, 1),
  repetitionPenalty: number(Number.MIN_VALUE, Number.MAX_VALUE),
  seed: integer(0),
  logprobs: integer(0, 1000),
};

export const generateRules: Rules<GenerateOptions> = {
  maxNewTokens: integer(1, 2 ** 31 - 1),
  ...samplingRules,
  stop: texts,
  stopTokens: tokenIds,
  cache: flag,
  signal: abortSignal,
  onToken: callback<(piece: TokenPiece) => void>(),
};

/** What a generation needs of its model. */
export interface Generator {
  readonly engine: NativeEngine;
  readonly tokenizer: Tokenizer | undefined;
  /** Of the model's config. */
  readonly stopTokens: readonly number[];
  /** Most tokens a prefill step. */
  readonly maxTokens: number;
  /** Most tokens of a sequence; a generation ends there. */
  readonly contextLength: number;
}

/** A sequence that goes on: where it starts, and who takes the state it ends in. */
export interface Sequence {
  /** None: an empty state. */
  readonly state: NativeState | undefined;
  /** Tokens that `state` has seen, which the repetition penalty counts. */
  readonly seen: Int32Array;
  /** `state` has seen the prompt and all of `tokens` but the last. */
  ended(state: NativeState | undefined, tokens: Int32Array): void;
}

/** What a generation is part of. */
export interface Occasion {
  /** Its number in a recorded run; -1 outside one. */
  readonly request: number;
  /** None: an empty state, and nobody takes the one it ends in. */
  readonly sequence?: Sequence;
  /** Gets the number of new tokens now and then. */
  readonly onProgress?: (tokens: number) => void;
}

/** Least time between two wake-ups of JavaScript where somebody waits for the tokens, and where nobody does. */
const LISTENED_MS = 4;
const UNHEARD_MS = 100;

/**
 * Generates after `prompt` (token ids).
 *
 * @throws AbortedError `E_ABORTED` with the text so far in `details`.
 */
export async function generate(
  generator: Generator,
  prompt: Int32Array,
  options: GenerateOptions,
  { request, sequence, onProgress }: Occasion,
): Promise<Generation> {
  const { engine, tokenizer } = generator;
  const { stop = [], onToken } = options;
  const seen = sequence?.seen.length ?? 0;
  // The last token is not fed back. A prompt that is too long is the engine's to refuse.
  const maxNewTokens = Math.min(
    options.maxNewTokens ?? 128,
    Math.max(1, generator.contextLength - seen - prompt.length + 1),
  );
  const stopTokens = new Set(options.stopTokens ?? generator.stopTokens);
  const stream = new TextStream(tokenizer, typeof stop === "string" ? [stop] : stop);
  const tag = newJob(request);
  const tokens: number[] = [];
  const logprobs: TokenLogprobs[] = [];
  let text = "";
  let failure: { readonly error: unknown } | undefined;
  let signal: AbortSignal | undefined;

  const take = (token: number, likelihood: TokenLogprobs | undefined): void => {
    tokens.push(token);
    if (likelihood) logprobs.push(likelihood);
    const last = tokens.length === maxNewTokens || stopTokens.has(token);
    const piece = stream.push(token, last);
    text += piece;
    if (stream.stopped && !last) engine.cancel(tag.job);
    onToken?.({ token, text: piece, ...(likelihood ? { logprobs: likelihood } : {}) });
  };
  const takeAll = (fresh: Int32Array, ids?: Int32Array, values?: Float32Array): void => {
    const likelihoods = ids && values ? readLogprobs(fresh.length, ids, values, tokenizer) : [];
    try {
      for (const [index, token] of fresh.entries())
        // Who aborted hears no more of what the engine makes until it sees that.
        if (!stream.stopped && !failure && !(onToken && signal?.aborted)) take(token, likelihoods[index]);
      onProgress?.(tokens.length);
    } catch (error) {
      failure = { error };
      engine.cancel(tag.job);
    }
  };

  const job = {
    ...tag,
    tokens: prompt,
    chunk: Math.min(prompt.length, generator.maxTokens),
    maxNewTokens,
    sampling: samplingOf(options),
    seenTokens: (options.repetitionPenalty === undefined ? undefined : sequence?.seen) ?? new Int32Array(),
    stopTokens: Int32Array.from(stopTokens),
    keepState: sequence !== undefined,
    useCache: options.cache ?? true,
    newsIntervalMs: onToken || options.stop !== undefined ? LISTENED_MS : UNHEARD_MS,
    ...(sequence?.state && { state: sequence.state }),
  };
  const run = (both: AbortSignal | undefined): Promise<GenerateResult> => {
    signal = both;
    return native(() => engine.generate(job, takeAll));
  };
  const result = await cancellable("generate", options.signal, () => engine.cancel(tag.job), run);
  if (failure) throw failure.error;
  const whole = result.finish !== "cancelled" && tokens.length === result.tokens.length;
  if (signal?.aborted && !whole && !stream.stopped) throw aborted("generate", signal, { tokens, text });
  sequence?.ended(result.state, result.tokens);
  // The engine may have come to its last token before it saw the cancellation.
  const finish = stream.stopped || result.finish !== "length" ? "stop" : "length";
  const generation: Generation = {
    ...{ text, tokens, promptTokens: prompt.length, finish },
    cachedTokens: result.cachedTokens,
    ...figures(prompt.length, result),
    ...(options.logprobs === undefined ? {} : { logprobs }),
  };
  return drawable(generation, () => drawGeneration(tokens.length, text, result));
}

/** The engine's sampling, with what is not given at its default. */
export function samplingOf(options: SamplingOptions): Sampling {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, seed = 0, logprobs = -1 } = options;
  return { temperature, topK, topP, minP, repetitionPenalty, seed, logprobs };
}

type Figures = Pick<Generation, "ttftMs" | "prefillTokensPerSecond" | "decodeTokensPerSecond" | "wireBytes">;

function figures(promptTokens: number, result: GenerateResult): Figures {
  const rate = (count: number, ns: number): number => (ns > 0 ? (count * 1e9) / ns : 0);
  return {
    ttftMs: result.ttftNs / 1e6,
    prefillTokensPerSecond: rate(promptTokens - result.cachedTokens, result.prefillNs),
    decodeTokensPerSecond: rate(result.tokens.length - 1, result.decodeNs),
    wireBytes: result.wireBytes,
  };
}

function drawGeneration(count: number, text: string, result: GenerateResult): MimeBundle {
  const rate =
    result.decodeNs > 0 ? `, ${formatNumber(((result.tokens.length - 1) * 1e9) / result.decodeNs)} tokens/s` : "";
  const wire = result.wireBytes > 0 ? `, ${formatBytes(result.wireBytes)} on the wire` : "";
  const figures = `${count} tokens, first after ${formatNumber(result.ttftNs / 1e6)} ms${rate}${wire}`;
  return {
    "text/plain": `${text}\n\n(${figures})`,
    "text/html": `<div style="white-space:pre-wrap">${escapeHtml(text)}</div><p style="color:#6b7580">${escapeHtml(figures)}</p>`,
  };
}
