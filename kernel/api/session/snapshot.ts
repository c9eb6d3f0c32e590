/** A moment of a session: its tokens and the state after them. States are never written to, so moments share them. */

import { drawable } from "../display";
import { escapeHtml } from "../draw/table";
import type { NativeState } from "../native";
import type { ShardPlan } from "../plan/plan";
import type { Tokenizer } from "../text/tokenizer";

/** What a moment belongs to. */
export interface SnapshotOwner {
  readonly plan: ShardPlan;
  readonly tokenizer: Tokenizer | undefined;
}

/** Most characters of a text that is drawn: its end. */
const SHOWN = 240;

/** For `restore`: of any session of the same model. */
export class Snapshot {
  readonly #owner: SnapshotOwner;
  #list: readonly number[] | undefined;

  /** Made by `session.snapshot()`. `ids`: all of the sequence. `state`: after all but the last; none after fewer than two. */
  constructor(
    owner: SnapshotOwner,
    readonly ids: Int32Array,
    readonly state: NativeState | undefined,
  ) {
    this.#owner = owner;
    drawable(this, () => drawMoment("snapshot of a session", this));
  }

  /** All of the sequence. */
  get tokens(): readonly number[] {
    this.#list ??= Object.freeze(Array.from(this.ids));
    return this.#list;
  }

  /** Of the sequence, special tokens left out; undefined where the model has no tokenizer. */
  get text(): string | undefined {
    return this.#owner.tokenizer?.decode(this.ids);
  }

  /** Of the model that it is a snapshot of. */
  get plan(): ShardPlan {
    return this.#owner.plan;
  }

  /** Of the tokens, which `state` has seen. */
  get seen(): number {
    return this.state ? this.ids.length - 1 : 0;
  }
}

/** A moment as a cell's result: `what` it is, of how many tokens, and the end of its text. */
export function drawMoment(
  what: string,
  { plan, ids, text = "" }: Snapshot,
): { "text/plain": string; "text/html": string } {
  const heading = `${what} of ${plan.model}, ${ids.length} ${ids.length === 1 ? "token" : "tokens"}`;
  const end = text.length > SHOWN ? `…${text.slice(-SHOWN)}` : text;
  return {
    "text/plain": end === "" ? heading : `${heading}\n\n${end}`,
    "text/html": `<p>${escapeHtml(heading)}</p><div style="white-space:pre-wrap">${escapeHtml(end)}</div>`,
  };
}
