/** Every engine call is a job: it has a number by which it is cancelled, and says which cell and request it serves. */

import { cellHost, currentCell } from "../display";
import { aborted, AbortedError } from "../errors";
import type { JobTag } from "../native";

let nextJob = 1;

export function newJob(request: number = -1): JobTag {
  return { job: nextJob++, cell: currentCell(), request };
}

/**
 * Does `work` on all items side by side. When one fails the others are aborted and waited for.
 *
 * @throws what the first that failed rejected with
 */
export async function together<Item, Result>(
  items: readonly Item[],
  own: AbortSignal | undefined,
  work: (item: Item, index: number, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const failed = new AbortController();
  const signal = own ? AbortSignal.any([own, failed.signal]) : failed.signal;
  const errors: unknown[] = [];
  const results = items.map(async (item, index) => {
    try {
      return await work(item, index, signal);
    } catch (error) {
      errors.push(error);
      failed.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(results);
  if (errors.length > 0) throw errors[0];
  return Promise.all(results);
}

/**
 * Runs a job that `own` can cancel, and in a notebook the interrupt button too; `run` gets the signal of both.
 *
 * @throws AbortedError `E_ABORTED`, naming `what` and carrying the signal's reason.
 */
export async function cancellable<T>(
  what: string,
  own: AbortSignal | undefined,
  cancel: () => void,
  run: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const signals = [own, cellHost()?.signal].filter((signal) => signal !== undefined);
  if (signals.length === 0) return run(undefined);
  const signal = AbortSignal.any(signals);
  if (signal.aborted) throw aborted(what, signal);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await run(signal);
  } catch (error) {
    throw error instanceof AbortedError ? aborted(what, signal) : error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
