/** A loaded model: its ranks are ready, their weights packed; close it to free them. */

import { formatBytes } from "../../../profiler-ui/trace/format";
import { drawable, type MimeBundle } from "../display";
import { escapeHtml, htmlTable, textTable, type Table } from "../draw/table";
import { drawTensor, drawTensors } from "../draw/tensor";
import { AbortedError, native, StatelineError } from "../errors";
import type { ModelConfig } from "../families/family";
import type { CacheStats, EngineMemory, NativeEngine } from "../native";
import { abortSignal, checkOptions, integer } from "../options";
import { drawPlan, planHeading } from "../plan/draw";
import type { EngineSettings } from "../plan/engine-spec";
import type { ShardPlan } from "../plan/plan";
import { cellProgress, type Progress } from "../progress";
import type { Tokenizer } from "../text/tokenizer";
import {
  generate,
  generateRules,
  type GenerateOptions,
  type Generation,
  type Occasion,
  type TokenPiece,
} from "./generation";
import { Session } from "../session/session";
import {
  embeddingsRules,
  hiddenStates,
  hiddenStatesRules,
  type EmbeddingsOptions,
  type HiddenStatesOptions,
} from "./hidden";
import { drawCache } from "./cache";
import { cancellable, newJob, together } from "./jobs";
import { modelClosing, modelOpened, watcherOf } from "./live";
import { perplexity, perplexityRules, type Perplexity, type PerplexityOptions } from "./perplexity";
import { isPromptList, tokensOf, tokensOfEach, type Prompt } from "./prompt";

export interface LogitsOptions {
  /** Tokens a step; all chunks give the same logits. As many as fit unless given. */
  readonly chunk?: number;
  readonly signal?: AbortSignal;
}

/** What `loadModel` hands over. */
export interface ModelParts {
  readonly engine: NativeEngine;
  readonly plan: ShardPlan;
  readonly tokenizer: Tokenizer | undefined;
  readonly stopTokens: readonly number[];
  readonly settings: EngineSettings;
  readonly device: "cpu" | "cuda";
  readonly loadMs: number;
}

/**
 * @example
 * await using model = await loadModel("models/tiny-mamba", { tensorParallel: 2 });
 * const { text } = await model.generate("Sherlock Holmes took", { maxNewTokens: 50 });
 */
export class Model {
  /** How the model lies on its ranks. */
  readonly plan: ShardPlan;
  /** Undefined where the checkpoint has no tokenizer.json: give token ids then. */
  readonly tokenizer: Tokenizer | undefined;
  readonly device: "cpu" | "cuda";
  readonly settings: EngineSettings;
  /** Milliseconds that loading took. */
  readonly loadMs: number;
  readonly #engine: NativeEngine;
  readonly #stopTokens: readonly number[];
  #closed: Promise<void> | undefined;

  /** Made by `loadModel`. */
  constructor(parts: ModelParts) {
    this.plan = drawable(parts.plan, () => drawPlan(parts.plan));
    this.tokenizer = parts.tokenizer;
    this.device = parts.device;
    this.settings = parts.settings;
    this.loadMs = parts.loadMs;
    this.#engine = parts.engine;
    this.#stopTokens = parts.stopTokens;
    drawable(this, () => this.#draw());
    modelOpened(this);
  }

  get name(): string {
    return this.plan.model;
  }

  get config(): ModelConfig {
    return this.plan.config;
  }

  /** The native engine, for the recorder. @throws StatelineError `E_CLOSED` */
  get engine(): NativeEngine {
    if (this.#closed)
      throw new StatelineError("E_CLOSED", `the model ${this.name} is closed; load it again`, { model: this.name });
    return this.#engine;
  }

  /** Bytes that each rank holds. */
  get memory(): EngineMemory {
    const memory = this.engine.memory();
    return drawable({ ...memory }, () => drawMemory(memory));
  }

  /** What is kept of earlier prompts, how much of later ones it served, and why it did not serve more. */
  get cacheStats(): CacheStats {
    const stats = this.engine.cacheStats();
    return drawable({ ...stats }, () => drawCache(stats));
  }

  /**
   * Generates from one prompt, or from each of several side by side: none changes what another gets, unless `allReduce`
   * takes different types for messages of different sizes.
   *
   * Calls share the engine's steps with all others of this model: up to `maxSequences` run, the next wait in the order
   * they came. `logits`, `perplexity` and the like take turns with them, a call or a window at a time.
   *
   * @throws OptionError; StatelineError `E_QUEUE_FULL` when 65,536 requests wait already; AbortedError `E_ABORTED`, with
   * the tokens and text so far in `details`, those of several prompts in `details.prompts`
   */
  generate(prompt: Prompt, options?: GenerateOptions): Promise<Generation>;
  generate(prompts: readonly Prompt[], options?: GenerateOptions): Promise<Generation[]>;
  async generate(prompts: Prompt | readonly Prompt[], options?: GenerateOptions): Promise<Generation | Generation[]> {
    const checked = checkOptions("generate", options, generateRules);
    if (!isPromptList(prompts)) return this.#generate(prompts, await tokensOf(prompts, this, checked), checked);
    const tokens = await tokensOfEach(prompts, this, checked);
    const { onToken } = checked;
    const total = tokens.length * (checked.maxNewTokens ?? 128);
    const view = onToken ? undefined : cellProgress(`generating with ${this.name}`);
    const made = tokens.map(() => 0);
    const parts: Pick<Generation, "tokens" | "text">[] = tokens.map(() => ({ tokens: [], text: "" }));
    try {
      return await together(tokens, checked.signal, async (ids, index, signal) => {
        const listener = onToken && { onToken: (piece: TokenPiece) => onToken({ ...piece, prompt: index }) };
        const onProgress = (count: number): void => {
          made[index] = count;
          view?.update({ done: made.reduce((sum, each) => sum + each), total });
        };
        const options = { ...checked, signal, ...listener };
        try {
          const generation = await this.#generate(prompts[index] ?? ids, ids, options, { onProgress });
          parts[index] = { tokens: generation.tokens, text: generation.text };
          return generation;
        } catch (error) {
          if (error instanceof AbortedError) Object.assign(parts[index] ?? {}, error.details);
          throw error;
        }
      });
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error;
      throw new AbortedError(error.code, error.message, { prompts: parts }, { cause: error.cause });
    } finally {
      view?.end();
    }
  }

  /**
   * Tokens as they come, each with the text it completed. Leaving the loop ends the generation, and so does `return()`,
   * also while a token is waited for.
   *
   * The generation begins when the first token is asked for. It does not wait for a slow loop: tokens that were not
   * taken yet stay in memory, at most `maxNewTokens`.
   *
   * @throws what `generate` throws, by the iterator
   * @example
   * for await (const { text } of model.stream("Sherlock Holmes took")) process.stdout.write(text);
   */
  stream(prompt: Prompt, options?: GenerateOptions): AsyncGenerator<TokenPiece, void, undefined> {
    const left = new AbortController();
    const pieces = this.#stream(prompt, options, left);
    // A generator's own return() would wait behind a next() for the token that nobody wants any more.
    const end = pieces.return.bind(pieces);
    pieces.return = (value) => {
      left.abort();
      return end(value);
    };
    return pieces;
  }

  async *#stream(
    prompt: Prompt,
    options: GenerateOptions | undefined,
    left: AbortController,
  ): AsyncGenerator<TokenPiece, void, undefined> {
    const checked = checkOptions("stream", options, generateRules);
    const pieces: TokenPiece[] = [];
    let done = false;
    let wake = (): void => undefined;
    const onToken = (piece: TokenPiece): void => {
      pieces.push(piece);
      checked.onToken?.(piece);
      wake();
    };
    const signal = checked.signal ? AbortSignal.any([checked.signal, left.signal]) : left.signal;
    const finished = this.generate(prompt, { ...checked, signal, onToken });
    const settled = finished.then(
      () => undefined,
      () => undefined, // thrown below, by `await finished`
    );
    void settled.then(() => {
      done = true;
      wake();
    });
    try {
      for (;;) {
        for (const piece of pieces.splice(0)) yield piece;
        if (pieces.length > 0) continue;
        if (done) break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      if (!left.signal.aborted) await finished;
    } finally {
      left.abort();
      await settled;
    }
  }

  /**
   * Logits after every token: [tokens × vocabulary], row major.
   *
   * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`; AbortedError `E_ABORTED`
   */
  async logits(prompt: Prompt, options?: LogitsOptions): Promise<Float32Array> {
    const { maxTokens } = this.settings;
    const { chunk, signal } = checkOptions("logits", options, { chunk: integer(1, maxTokens), signal: abortSignal });
    const tokens = await tokensOf(prompt, this, signal ? { signal } : {});
    const { engine } = this;
    const tag = newJob();
    const job = { ...tag, tokens, chunk: Math.min(tokens.length, chunk ?? maxTokens) };
    const run = (): Promise<Float32Array> => native(() => engine.forward(job));
    const values = await cancellable("logits", signal, () => engine.cancel(tag.job), run);
    return drawTensor(values, this.config.vocabulary, { title: "logits", rows: "tokens", columns: "vocabulary" });
  }

  /**
   * Hidden states of every token after the final norm, which the head reads: [tokens × hidden], row major.
   *
   * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`; AbortedError `E_ABORTED`
   */
  async embeddings(prompt: Prompt, options?: EmbeddingsOptions): Promise<Float32Array> {
    const { maxTokens } = this.settings;
    const { chunk = maxTokens, signal } = checkOptions("embeddings", options, embeddingsRules(maxTokens));
    const tokens = await tokensOf(prompt, this, signal ? { signal } : {});
    const last = [this.config.layers];
    const [states] = await hiddenStates(this.engine, tokens, last, chunk, signal);
    const name = { title: "embeddings", rows: "tokens", columns: "hidden" };
    return drawTensor(states ?? new Float32Array(), this.config.hidden, name);
  }

  /**
   * The residual stream of every token behind each of `layers`: [tokens × hidden] each, row major.
   *
   * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`; AbortedError `E_ABORTED`
   * @example
   * const [embedding, first] = await model.hiddenStates("Sherlock", { layers: [-1, 0] });
   */
  async hiddenStates(prompt: Prompt, options?: HiddenStatesOptions): Promise<Float32Array[]> {
    const { maxTokens } = this.settings;
    const all = Array.from({ length: this.config.layers }, (_, layer) => layer);
    const rules = hiddenStatesRules(maxTokens, all.length);
    const { layers = all, chunk = maxTokens, signal } = checkOptions("hiddenStates", options, rules);
    const tokens = await tokensOf(prompt, this, signal ? { signal } : {});
    const states = await hiddenStates(this.engine, tokens, layers, chunk, signal);
    const titleOf = (layer: number): string => (layer === -1 ? "embedding" : `hidden states behind layer ${layer}`);
    return drawTensors(
      states.map((values, index) => {
        const name = { title: titleOf(layers[index] ?? 0), rows: "tokens", columns: "hidden" };
        return drawTensor(values, this.config.hidden, name);
      }),
    );
  }

  /**
   * Perplexity of a text or token ids, no special tokens added.
   *
   * @throws OptionError; AbortedError `E_ABORTED`
   */
  async perplexity(text: Prompt, options?: PerplexityOptions): Promise<Perplexity> {
    const checked = checkOptions("perplexity", options, perplexityRules);
    const tokens = await tokensOf(text, this, { ...checked, special: false });
    const view = checked.onProgress ? undefined : cellProgress("perplexity");
    const scorer = { engine: this.engine, tokenizer: this.tokenizer, maxTokens: this.settings.maxTokens };
    try {
      const watched = view ? { ...checked, onProgress: (progress: Progress) => view.update(progress) } : checked;
      return await perplexity(scorer, tokens, watched);
    } finally {
      view?.end();
    }
  }

  /**
   * A sequence that keeps its state between calls.
   *
   * @example
   * const session = model.session();
   * await session.append("Sherlock Holmes took");
   * const other = session.fork();
   * const { text } = await session.generate();
   */
  session(): Session {
    const { plan, tokenizer, config } = this;
    const engine = (): NativeEngine => this.engine;
    return new Session({
      ...{ plan, tokenizer, config, engine, maxTokens: this.settings.maxTokens },
      generate: (prompt, tokens, options, sequence) => this.#generate(prompt, tokens, options, { sequence }),
    });
  }

  /** Frees the engine after the job that runs; waiting jobs reject with E_CLOSED. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    modelClosing(this);
    await native(() => this.#engine.close());
  }

  async #generate(
    prompt: Prompt,
    tokens: Int32Array,
    options: GenerateOptions,
    part: Omit<Occasion, "request"> = {},
  ): Promise<Generation> {
    const recording = watcherOf(this);
    const request = recording?.nextRequest() ?? -1;
    const total = options.maxNewTokens ?? 128;
    const view = options.onToken || part.onProgress ? undefined : cellProgress(`generating with ${this.name}`);
    const onProgress = (done: number): void => view?.update({ done, total });
    const { engine, tokenizer } = this;
    const { maxTokens } = this.settings;
    const contextLength = this.config.hybrid ? this.settings.contextLength : Infinity;
    const parts = { engine, tokenizer, stopTokens: this.#stopTokens, maxTokens, contextLength };
    try {
      const generation = await generate(parts, tokens, options, { request, onProgress, ...part });
      recording?.finished({
        request,
        prompt: typeof prompt === "string" ? prompt : (tokenizer?.decode(tokens) ?? ""),
        text: generation.text,
        promptTokens: generation.promptTokens,
        newTokens: generation.tokens.length,
        ttftMs: generation.ttftMs,
        prefillTokensPerSecond: generation.prefillTokensPerSecond,
        decodeTokensPerSecond: generation.decodeTokensPerSecond,
        wireBytes: generation.wireBytes,
      });
      return generation;
    } finally {
      view?.end();
    }
  }

  #draw(): MimeBundle {
    const { computeType, threadsPerRank } = this.settings;
    const threads = threadsPerRank === 1 ? "1 thread" : `${threadsPerRank} threads`;
    const heading = `${planHeading(this.plan)}, ${computeType} on ${this.device}, ${threads} a rank`;
    if (this.#closed) return { "text/plain": `${heading}; closed` };
    const memory = drawMemory(this.#engine.memory());
    return {
      "text/plain": `${heading}\n\n${memory["text/plain"]}`,
      "text/html": `<p>${escapeHtml(heading)}</p>${memory["text/html"]}`,
    };
  }
}

function drawMemory(memory: EngineMemory): { readonly "text/plain": string; readonly "text/html": string } {
  const kinds = ["weights", "state", "activations", "wire"] as const;
  const table: Table = {
    columns: [{ title: "rank" }, ...kinds.map((title) => ({ title, align: "right" as const }))],
    rows: memory.weights.map((_, rank) => [String(rank), ...kinds.map((kind) => formatBytes(memory[kind][rank] ?? 0))]),
  };
  return { "text/plain": textTable(table), "text/html": htmlTable(table) };
}
