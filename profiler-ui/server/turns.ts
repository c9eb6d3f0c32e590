/** Tasks that take much memory, one after the other. */

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Begins `task` when those before it have ended. */
  take<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
