/** The thread that tokenises a long text: the library works at about 1.6 µs a character and never yields. */

import { isMainThread, parentPort, workerData } from "node:worker_threads";

import { CheckpointError } from "../errors";
import { loadTokenizer } from "./tokenizer";

/** What the thread is given. */
export interface EncodeThreadData {
  /** Of the checkpoint. */
  readonly directory: string;
  readonly text: string;
  readonly special: boolean;
}

/** "late": tokenizer.json's patterns do not end. */
export type EncodeThreadAnswer = Int32Array | "late";

async function run({ directory, text, special }: EncodeThreadData): Promise<void> {
  const tokenizer = await loadTokenizer(directory);
  let answer: EncodeThreadAnswer;
  try {
    answer = tokenizer?.encode(text, { special }) ?? new Int32Array(0);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    answer = "late";
  }
  parentPort?.postMessage(answer, answer === "late" ? [] : [answer.buffer as ArrayBuffer]);
}

if (!isMainThread) void run(workerData as EncodeThreadData);
