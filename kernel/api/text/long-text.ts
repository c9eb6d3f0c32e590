/** Tokenises a long text without holding up the event loop: on a thread of its own. */

import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { aborted } from "../errors";
import { packageRoot } from "../package-root";
import type { EncodeThreadData } from "./encode-thread";

/** @throws AbortedError `E_ABORTED` */
export async function encodeOnThread(data: EncodeThreadData, signal?: AbortSignal): Promise<Int32Array> {
  if (signal?.aborted) throw aborted("tokenising", signal);
  // The compiled file, also when these sources run uncompiled, as in tests.
  const thread = new Worker(join(packageRoot(), "dist/kernel/api/text/encode-thread.js"), { workerData: data });
  try {
    const [tokens] = (await once(thread, "message", signal ? { signal } : {})) as [Int32Array];
    return tokens;
  } catch (error) {
    throw signal?.aborted ? aborted("tokenising", signal) : error;
  } finally {
    await thread.terminate();
  }
}
