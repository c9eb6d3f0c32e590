/** Work on text that holds up no event loop: one question to a thread of this folder, one answer, and the thread ends. */

import { once } from "node:events";
import { join } from "node:path";
import { Worker, type ResourceLimits } from "node:worker_threads";

import { aborted } from "../errors";
import { packageRoot } from "../package-root";

export interface ThreadOptions {
  /** What an aborted call says was aborted. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly resourceLimits?: ResourceLimits;
}

/** @throws AbortedError `E_ABORTED`; what the thread ends with */
export async function onThread<Answer>(name: string, workerData: object, options: ThreadOptions): Promise<Answer> {
  const { what, signal, resourceLimits = {} } = options;
  if (signal?.aborted) throw aborted(what, signal);
  // The compiled file, also when these sources run uncompiled, as in tests.
  const file = join(packageRoot(), `dist/kernel/api/text/${name}.js`);
  const thread = new Worker(file, { workerData, resourceLimits });
  try {
    const [answer] = (await once(thread, "message", signal ? { signal } : {})) as [Answer];
    return answer;
  } catch (error) {
    throw signal?.aborted ? aborted(what, signal) : error;
  } finally {
    await thread.terminate();
  }
}
