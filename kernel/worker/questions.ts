/** Questions that cells have asked and nobody has answered yet. */

interface Pending {
  readonly resolve: (answer: string) => void;
  readonly reject: (reason: Error) => void;
}

/** A front end that cannot ask, or would not. */
class InputRefused extends Error {
  override readonly name: string = "InputRefused";
}

export class Questions {
  readonly #pending = new Map<number, Pending>();
  #next = 0;

  /** @param send Brings the question with its number to the front. */
  ask(send: (question: number) => void, signal: AbortSignal): Promise<string> {
    const question = this.#next++;
    return new Promise<string>((resolve, reject) => {
      this.#pending.set(question, { resolve, reject });
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      send(question);
    }).finally(() => this.#pending.delete(question));
  }

  answer(question: number, answer: { readonly value: string } | { readonly refused: string }): void {
    const pending = this.#pending.get(question);
    if ("value" in answer) pending?.resolve(answer.value);
    else pending?.reject(new InputRefused(answer.refused));
  }
}
