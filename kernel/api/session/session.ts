/**
 * A sequence that keeps its state between calls: what was read once need not be read again.
 *
 * The state has seen all tokens but the last, which the next call feeds first: its logits are what a generation without
 * a further prompt begins with. States are never written to, so snapshots and forks share them and cost nothing.
 */

import { addon } from "../addon";
import { aborted, OptionError, native } from "../errors";
import type { ModelConfig } from "../families/family";
import { samplingOf, generateRules, type GenerateOptions, type Generation, type Sequence } from "../model/generation";
import { cancellable, newJob } from "../model/jobs";
import { tokensOf, type Prompt } from "../model/prompt";
import type { GenerateResult, NativeEngine, NativeState, StateArrays } from "../native";
import { abortSignal, checkOptions } from "../options";
import type { ShardPlan } from "../plan/plan";
import type { Tokenizer } from "../text/tokenizer";
import { readStateFile, writeStateFile } from "./state-file";

/** What a session needs of its model. */
export interface SessionHost {
  readonly plan: ShardPlan;
  readonly tokenizer: Tokenizer | undefined;
  readonly config: ModelConfig;
  readonly maxTokens: number;
  /** @throws StatelineError `E_CLOSED` */
  engine(): NativeEngine;
  generate(prompt: Prompt, tokens: Int32Array, options: GenerateOptions, sequence: Sequence): Promise<Generation>;
}

/** A moment of a session, for `restore`: of any session of the same model. */
export interface Snapshot {
  /** All of the sequence. */
  readonly tokens: readonly number[];
  /** After all tokens but the last; none after fewer than two. */
  readonly state: NativeState | undefined;
}

export interface AppendOptions {
  readonly signal?: AbortSignal;
}

export class Session {
  readonly #host: SessionHost;
  #now: Snapshot = { tokens: [], state: undefined };
  /** Calls work on the sequence one after another. */
  #last: Promise<unknown> = Promise.resolve();

  /** Made by `model.session()`. */
  constructor(host: SessionHost, from?: Snapshot) {
    this.#host = host;
    if (from) this.#now = from;
  }

  /** All tokens so far: appended and generated. */
  get tokens(): readonly number[] {
    return this.#now.tokens;
  }

  /** The text so far, special tokens left out; undefined where the model has no tokenizer. */
  get text(): string | undefined {
    return this.#host.tokenizer?.decode(this.#now.tokens);
  }

  /**
   * Reads a text or token ids: the cost of these tokens alone, however long the sequence is.
   *
   * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`; AbortedError `E_ABORTED`, which leaves the session as it was
   */
  async append(prompt: Prompt, options?: AppendOptions): Promise<void> {
    const checked = checkOptions("append", options, { signal: abortSignal });
    await this.#inTurn(async () => {
      const tokens = await this.#encode(prompt, checked.signal);
      this.#now = await this.#advance([...this.#now.tokens, ...tokens], checked.signal);
    });
  }

  /**
   * Goes on with the sequence, after `prompt` if there is one. `stop` texts, options and result are those of
   * `model.generate`; `promptTokens` are those read by this call.
   *
   * @throws OptionError `E_PROMPT_EMPTY`; AbortedError `E_ABORTED`, which leaves the session as it was
   */
  async generate(prompt?: Prompt, options?: GenerateOptions): Promise<Generation> {
    const checked = checkOptions("generate", options, generateRules);
    return this.#inTurn(async () => {
      const { tokens, state } = this.#now;
      const added = prompt === undefined ? [] : await this.#encode(prompt, checked.signal);
      const all = [...tokens, ...added];
      const fed = Int32Array.from(all.slice(this.#seen()));
      if (fed.length === 0) {
        throw new OptionError("E_PROMPT_EMPTY", "the session is empty; give a prompt, or append one first");
      }
      let after: { readonly state: NativeState | undefined; readonly made: number } | undefined;
      const ended = (kept: NativeState | undefined, made: Int32Array): void => {
        after = { state: kept, made: made.length };
      };
      const generation = await this.#host.generate(prompt ?? fed, fed, checked, {
        ...{ state, ended },
        seen: tokens.slice(0, this.#seen()),
      });
      const whole = [...all, ...generation.tokens];
      // Behind a stop text the engine may have made tokens that are not the sequence's: it is read again without them.
      this.#now =
        after?.state && after.made === generation.tokens.length
          ? { tokens: whole, state: after.state }
          : await this.#advance(whole, checked.signal);
      return generation;
    });
  }

  /** This moment, at no cost: states are shared, not copied. */
  snapshot(): Snapshot {
    return this.#now;
  }

  /** A session that goes on from here on its own, at no cost. */
  fork(): Session {
    return new Session(this.#host, this.#now);
  }

  /**
   * Writes the sequence and its state to a safetensors file, which any split of the same model can restore.
   *
   * @throws StatelineError `E_STATE_FILE`
   */
  async save(file: string): Promise<void> {
    const { tokens, state } = this.#now;
    const arrays = state && addon().stateArrays(state);
    await writeStateFile(file, this.#host.plan, tokens, arrays);
  }

  /**
   * Goes back to a snapshot, or to what `save` wrote.
   *
   * @throws StatelineError `E_STATE_FILE`, `E_STATE_VERSION`, `E_STATE_CHECKSUM`, `E_STATE_MODEL`
   */
  async restore(from: Snapshot | string): Promise<void> {
    await this.#inTurn(async () => {
      if (typeof from !== "string") {
        this.#now = from;
        return;
      }
      const { tokens, arrays } = await readStateFile(from, this.#host.plan);
      this.#now = { tokens, state: arrays && addon().stateOf(arrays) };
    });
  }

  /** Copies of what the layers remember after all tokens but the last; undefined after fewer than two. */
  state(): StateArrays | undefined {
    return this.#now.state && addon().stateArrays(this.#now.state);
  }

  /** Tokens that the state has seen. */
  #seen(): number {
    const { tokens, state } = this.#now;
    return state ? tokens.length - 1 : 0;
  }

  /** Feeds what the state has not seen of `tokens`, which begin with the session's own, but for the last. */
  async #advance(tokens: readonly number[], signal: AbortSignal | undefined): Promise<Snapshot> {
    const fed = Int32Array.from(tokens.slice(this.#seen(), -1));
    const { state } = this.#now;
    if (fed.length === 0) return { tokens, state };
    const engine = this.#host.engine();
    const tag = newJob();
    const job = {
      ...tag,
      tokens: fed,
      chunk: Math.min(fed.length, this.#host.maxTokens),
      maxNewTokens: 0,
      sampling: samplingOf({}),
      seenTokens: new Int32Array(),
      stopTokens: new Int32Array(),
      keepState: true,
      useCache: true,
      newsIntervalMs: 0,
      ...(state && { state }),
    };
    let both: AbortSignal | undefined;
    const run = (signals: AbortSignal | undefined): Promise<GenerateResult> => {
      both = signals;
      return native(() => engine.generate(job, () => undefined));
    };
    const result = await cancellable("append", signal, () => engine.cancel(tag.job), run);
    if (!result.state || result.finish === "cancelled") throw aborted("append", both);
    return { tokens, state: result.state };
  }

  #encode(prompt: Prompt, signal: AbortSignal | undefined): Promise<Int32Array> {
    // Begin tokens stand at the beginning only.
    return tokensOf(prompt, this.#host, { special: this.#now.tokens.length === 0, ...(signal && { signal }) });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
