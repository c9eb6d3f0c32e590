/** The thread that tokenises a long text: the library works at about 1.6 µs a character and never yields. */

import { isMainThread, parentPort, workerData } from "node:worker_threads";

import { loadTokenizer } from "./tokenizer";

/** What the thread is given. */
export interface EncodeThreadData {
  /** Of the checkpoint. */
  readonly directory: string;
  readonly text: string;
  readonly special: boolean;
}

async function run({ directory, text, special }: EncodeThreadData): Promise<void> {
  const tokens = (await loadTokenizer(directory))?.encode(text, { special }) ?? new Int32Array(0);
  parentPort?.postMessage(tokens, [tokens.buffer as ArrayBuffer]);
}

if (!isMainThread) void run(workerData as EncodeThreadData);
