/** The compiler thread as the front sees it: calls in, promises out. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { CompilerCalls, CompilerRequest, CompilerResponse } from "../worker/messages";
import { KernelError } from "./connection";

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class CompilerClient {
  readonly #pending = new Map<number, Pending>();
  #thread: Worker;
  #next = 0;

  /** Starts the thread; it takes a second to be ready and answers in order. */
  constructor() {
    this.#thread = this.#start();
  }

  call<Call extends keyof CompilerCalls>(
    call: Call,
    request: Parameters<CompilerCalls[Call]>[0],
  ): Promise<ReturnType<CompilerCalls[Call]>> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#pending.set(id, { resolve, reject });
      this.#thread.postMessage({ id, call, request } satisfies CompilerRequest);
    });
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  #start(): Worker {
    // TypeScript's chatter is not the notebook's: the thread's own output is not shown.
    const thread = new Worker(join(__dirname, "..", "worker", "compiler-thread.js"), { stdout: true, stderr: true });
    thread.stdout.resume();
    thread.stderr.resume();
    thread.on("message", (response: CompilerResponse) => {
      const pending = this.#pending.get(response.id);
      this.#pending.delete(response.id);
      if ("failure" in response)
        pending?.reject(new KernelError("E_COMPILER", `the compiler failed: ${response.failure}`));
      else pending?.resolve(response.result as never);
    });
    thread.on("error", (error) => {
      // A new thread knows no declarations, and says so by "Cannot find name": better than no kernel.
      this.#thread = this.#start();
      for (const { reject } of this.#pending.values())
        reject(new KernelError("E_COMPILER", `the compiler stopped and was started anew: ${error.message}`));
      this.#pending.clear();
    });
    return thread;
  }
}
