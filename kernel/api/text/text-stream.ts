/** Text of a growing list of tokens, in pieces that never split a character and never show part of a stop string. */

import type { Tokenizer } from "./tokenizer";

/** At the end of a decoded text it may stand for the first bytes of a character. */
const BEGUN = "\uFFFD";

/**
 * @example
 * const stream = new TextStream(tokenizer, ["\n\n"]);
 * stream.push(1724, false); // the text this token completes, "" if it completes none
 */
export class TextStream {
  readonly #tokenizer: Tokenizer | undefined;
  readonly #stop: readonly string[];
  /** Tokens whose text is not all out yet, after `#context` tokens before them: decoders look back at spaces. */
  #tokens: number[] = [];
  #context = 0;
  /** Characters of the tokens' text that are out. */
  #shown = 0;
  /** Text that may be the beginning of a stop string. */
  #held = "";
  /** A stop string has come; nothing follows. */
  stopped = false;

  constructor(tokenizer: Tokenizer | undefined, stop: readonly string[] = []) {
    this.#tokenizer = tokenizer;
    this.#stop = stop;
  }

  /** Takes a token, gives the text that is now certain. `last`: give everything that is left. */
  push(token: number, last: boolean): string {
    if (!this.#tokenizer || this.stopped) return "";
    this.#tokens.push(token);
    return this.#release(this.#completed(this.#tokenizer, last), last);
  }

  #completed(tokenizer: Tokenizer, last: boolean): string {
    const text = tokenizer.decode(this.#tokens);
    // Later bytes can still complete the last U+FFFD, but none before it: a decoder makes one of a begun character.
    const certain = !last && text.endsWith(BEGUN) ? text.length - 1 : text.length;
    const piece = text.slice(this.#shown, certain);
    this.#shown = certain;
    if (certain === text.length) {
      // Bytes need no context.
      this.#tokens = tokenizer.byteLevel ? [] : this.#tokens.slice(this.#context);
      this.#context = this.#tokens.length;
      this.#shown = tokenizer.decode(this.#tokens).length;
    }
    return piece;
  }

  #release(piece: string, last: boolean): string {
    const text = this.#held + piece;
    this.#held = "";
    // The one that is complete first counts, the longest of several: however tokens cut the text, it ends the same.
    let [begin, end] = [Infinity, Infinity];
    for (const stop of this.#stop) {
      const at = text.indexOf(stop);
      const until = at + stop.length;
      if (at >= 0 && (until < end || (until === end && at < begin))) [begin, end] = [at, until];
    }
    if (end < Infinity) {
      this.stopped = true;
      return text.slice(0, begin);
    }
    const keep = last ? 0 : Math.max(0, ...this.#stop.map((stop) => overlap(text, stop)));
    this.#held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }
}

/** Length of the longest end of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
