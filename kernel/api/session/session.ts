/**
 * A sequence that keeps its state between calls: what was read once need not be read again.
 *
 * The state has seen all tokens but the last, which the next call feeds first: its logits are what a generation without
 * a further prompt begins with. States are never written to, so snapshots and forks share them and cost nothing.
 */

import { Turns } from "../../../profiler-ui/trace/turns";
import { addon } from "../addon";
import { drawable } from "../display";
import { aborted, OptionError, native, StatelineError } from "../errors";
import type { ModelConfig } from "../families/family";
import { samplingOf, generateRules, type GenerateOptions, type Generation, type Sequence } from "../model/generation";
import { cancellable, newJob } from "../model/jobs";
import { tokensOf, type Prompt } from "../model/prompt";
import type { GenerateResult, NativeEngine, NativeState, StateArrays } from "../native";
import { abortSignal, checkOptions, invalid, nonEmptyText, type Rules } from "../options";
import { fingerprint } from "./fingerprint";
import { drawMoment, Snapshot, type SnapshotOwner } from "./snapshot";
import { readStateFile, writeStateFile } from "./state-file";

/** What a session needs of its model. */
export interface SessionHost extends SnapshotOwner {
  readonly config: ModelConfig;
  readonly maxTokens: number;
  /** @throws StatelineError `E_CLOSED` */
  engine(): NativeEngine;
  generate(prompt: Prompt, tokens: Int32Array, options: GenerateOptions, sequence: Sequence): Promise<Generation>;
}

/** Of `append`, `save` and `restore`. */
export interface SessionOptions {
  /** Ends the call, or its waiting for those before it; it rejects with AbortedError. */
  readonly signal?: AbortSignal;
}

const rules: Rules<SessionOptions> = { signal: abortSignal };

export class Session {
  readonly #host: SessionHost;
  #now: Snapshot;
  /** Calls work on the sequence one after another. */
  readonly #turns: Turns = new Turns(1);

  /** Made by `model.session()`. */
  constructor(host: SessionHost, from: Snapshot = new Snapshot(host, new Int32Array(), undefined)) {
    this.#host = host;
    this.#now = from;
    drawable(this, () => drawMoment("session", this.#now));
  }

  /** All tokens so far: appended and generated. */
  get tokens(): readonly number[] {
    return this.#now.tokens;
  }

  /** The text so far, special tokens left out; undefined where the model has no tokenizer. */
  get text(): string | undefined {
    return this.#now.text;
  }

  /**
   * Reads a text or token ids: the cost of these tokens alone, however long the sequence is, but for what attention layers
   * look back on.
   *
   * @throws OptionError `E_PROMPT_EMPTY`, `E_TOKEN_RANGE`; AbortedError `E_ABORTED`, which leaves the session as it was
   */
  async append(prompt: Prompt, options?: SessionOptions): Promise<void> {
    const checked = checkOptions("append", options, rules);
    await this.#inTurn("append", checked.signal, async (signal) => {
      const tokens = await this.#encode(prompt, signal);
      this.#now = await this.#advance("append", joined(this.#now.ids, tokens), signal);
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
    return this.#inTurn("generate", checked.signal, async (signal) => {
      const { ids, state, seen } = this.#now;
      const all = prompt === undefined ? ids : joined(ids, await this.#encode(prompt, signal));
      const fed = all.subarray(seen);
      if (fed.length === 0) {
        throw new OptionError("E_PROMPT_EMPTY", "the session is empty; give a prompt, or append one first");
      }
      let after: { readonly state: NativeState | undefined; readonly made: number } | undefined;
      const ended = (kept: NativeState | undefined, made: Int32Array): void => {
        after = { state: kept, made: made.length };
      };
      const sequence = { state, ended, seen: ids.subarray(0, seen) };
      const generation = await this.#host.generate(prompt ?? fed, fed, checked, sequence);
      const whole = joined(all, generation.tokens);
      // Behind a stop text the engine may have made tokens that are not the sequence's: it is read again without them.
      this.#now =
        after?.state && after.made === generation.tokens.length
          ? new Snapshot(this.#host, whole, after.state)
          : await this.#advance("generate", whole, signal);
      return generation;
    });
  }

  /** This moment, at no cost: states are shared, not copied. While a call runs, the moment before it. */
  snapshot(): Snapshot {
    return this.#now;
  }

  /** A session that goes on from here on its own, at no cost. While a call runs, from the moment before it. */
  fork(): Session {
    return new Session(this.#host, this.#now);
  }

  /**
   * Writes the sequence and its state to a safetensors file, which the same model can restore however it is split and
   * whatever it computes in. A link is followed; a file that cannot be written whole is left as it was.
   *
   * @throws StatelineError `E_STATE_FILE`; AbortedError `E_ABORTED`
   */
  async save(file: string, options?: SessionOptions): Promise<void> {
    if (!nonEmptyText.accepts(file)) invalid("file", nonEmptyText.expected, file);
    const checked = checkOptions("save", options, rules);
    await this.#inTurn("save", checked.signal, async (signal) => {
      const { ids, state } = this.#now;
      await writeStateFile(file, this.#host.plan, ids, state && addon().stateArrays(state), signal);
    });
  }

  /**
   * Goes back to a snapshot, or to what `save` wrote; a failure leaves the session as it was.
   *
   * @throws StatelineError `E_STATE_FILE`, `E_STATE_VERSION`, `E_STATE_CHECKSUM`, `E_STATE_MODEL`; AbortedError `E_ABORTED`
   */
  async restore(from: Snapshot | string, options?: SessionOptions): Promise<void> {
    if (!(from instanceof Snapshot) && !nonEmptyText.accepts(from)) {
      invalid("from", "a snapshot that a session gave, or a file's name", from);
    }
    const checked = checkOptions("restore", options, rules);
    await this.#inTurn("restore", checked.signal, async (signal) => {
      this.#now = typeof from === "string" ? await this.#read(from, signal) : await this.#own(from);
    });
  }

  /** Copies of what the layers remember after all tokens but the last; undefined after fewer than two. */
  state(): StateArrays | undefined {
    return this.#now.state && addon().stateArrays(this.#now.state);
  }

  async #read(file: string, signal: AbortSignal | undefined): Promise<Snapshot> {
    const { tokens, arrays } = await readStateFile(file, this.#host.plan, signal);
    return new Snapshot(this.#host, tokens, arrays && addon().stateOf(arrays));
  }

  /** The snapshot as one of this model, which may have been loaded more than once. */
  async #own({ plan, ids, state }: Snapshot): Promise<Snapshot> {
    const { plan: ours } = this.#host;
    if (plan !== ours && (await fingerprint(plan)) !== (await fingerprint(ours))) {
      const message = `the snapshot is of another model (${plan.model}), this one is ${ours.model}`;
      throw new StatelineError("E_STATE_MODEL", message, { model: plan.model });
    }
    return new Snapshot(this.#host, ids, state);
  }

  /** Feeds what the state has not seen of `ids`, which begin with the session's own, but for the last. */
  async #advance(what: string, ids: Int32Array, signal: AbortSignal | undefined): Promise<Snapshot> {
    const { state, seen } = this.#now;
    const fed = ids.subarray(seen, -1);
    if (fed.length === 0) return new Snapshot(this.#host, ids, state);
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
    const run = (): Promise<GenerateResult> => native(() => engine.generate(job, () => undefined));
    const result = await cancellable(what, signal, () => engine.cancel(tag.job), run);
    if (!result.state || result.finish === "cancelled") throw aborted(what, signal);
    return new Snapshot(this.#host, ids, result.state);
  }

  #encode(prompt: Prompt, signal: AbortSignal | undefined): Promise<Int32Array> {
    // Begin tokens stand at the beginning only.
    return tokensOf(prompt, this.#host, { special: this.#now.ids.length === 0, ...(signal && { signal }) });
  }

  /** `work` gets the signal of `own` and of the notebook's interrupt button; who aborts while waiting waits no more. */
  async #inTurn<T>(
    what: string,
    own: AbortSignal | undefined,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    return cancellable(
      what,
      own,
      () => undefined,
      async (signal) => {
        let begun = false;
        const begin = (): Promise<T> => {
          begun = true;
          return work(signal);
        };
        try {
          return await this.#turns.take(begin, signal);
        } catch (error) {
          throw begun ? error : aborted(what, signal);
        }
      },
    );
  }
}

function joined(before: Int32Array, after: ArrayLike<number>): Int32Array {
  const all = new Int32Array(before.length + after.length);
  all.set(before);
  all.set(after, before.length);
  return all;
}
