/** The server's end of the analysis thread: starts it when first needed, and another when it has died. */

import { Worker } from "node:worker_threads";
import { reasonOf, StatelineError } from "../trace/errors";
import type { Answer, Reply, Request, Task } from "./analysis";
import { builtPath } from "./package-folder";

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class Analyst {
  #worker: Worker | undefined;
  #waiting = new Map<number, Waiting>();
  #tasks = 0;
  #closed = false;

  /** `onDeath`: the thread ended and with it everything that it held. */
  constructor(readonly onDeath: () => void) {}

  /**
   * `given` is memory of the task that the thread gets to keep, not a copy of it.
   *
   * @throws StatelineError of the task; `E_ANALYSIS_ENDED` when the thread dies, most likely of memory,
   * or was closed
   */
  perform(task: Task, given: readonly ArrayBuffer[] = []): Promise<Answer> {
    // A run that was still being read when the server closed must not start another thread.
    if (this.#closed) return Promise.reject(new StatelineError("E_ANALYSIS_ENDED", "The server is closed."));
    const id = ++this.#tasks;
    const worker = this.#started();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, task } satisfies Request, given);
    });
  }

  /** Begins what the first task would wait for. */
  start(): void {
    if (!this.#closed) this.#started();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #started(): Worker {
    return (this.#worker ??= this.#launch());
  }

  #launch(): Worker {
    const worker = new Worker(builtPath("profiler-ui/server/analysis-thread.js"));
    worker.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ("code" in reply) waiting?.reject(failure(reply.code, reply.message));
      else waiting?.resolve(reply.answer);
    });
    const ended = (reason: string): void => {
      if (this.#worker === worker) {
        this.#worker = undefined;
        this.onDeath();
      }
      const left = [...this.#waiting.values()];
      this.#waiting.clear();
      const message = `The analysis ended before its answer: ${reason}. Is there enough memory for this run?`;
      for (const { reject } of left) reject(new StatelineError("E_ANALYSIS_ENDED", message, { reason }));
    };
    worker.on("error", (error) => ended(reasonOf(error)));
    worker.on("exit", (code) => ended(`exit code ${code}`));
    return worker;
  }
}

function failure(code: string, message: string): Error {
  return code === "E_INTERNAL" ? new Error(message) : new StatelineError(code, message.split("\n", 1)[0] ?? message);
}
