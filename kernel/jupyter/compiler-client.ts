/** The compiler thread as the front sees it: calls in, promises out. A thread that fails or does not come back is replaced. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { CompilerCalls, CompilerRequest, CompilerResponse, CompilerThreadData } from "../worker/messages";
import { KernelError } from "./connection";

/** How long the thread may go on with a call that nobody waits for any more. */
const ABANDONED_MS = 500;
/** A long sum or much nested data takes TypeScript deep; with Node's 4 MiB it ends at some thousand levels. */
const STACK_MB = 64;

interface Pending {
  readonly message: CompilerRequest;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export class CompilerClient {
  /** Calls in the order in which the thread answers them. */
  readonly #pending = new Map<number, Pending>();
  #thread: Worker | undefined;
  #next = 0;
  /** What the cells so far declare: a new thread begins with it. */
  #declarations = "";

  /** Starts the thread; it takes a second to be ready and answers in order. */
  constructor() {
    this.#thread = this.#start();
  }

  /** @param signal Rejects the call with its reason; what the call would have declared is not. */
  call<Call extends keyof CompilerCalls>(
    call: Call,
    request: Parameters<CompilerCalls[Call]>[0],
    signal?: AbortSignal,
  ): Promise<ReturnType<CompilerCalls[Call]>> {
    return new Promise((resolve, reject) => {
      const message: CompilerRequest = { id: this.#next++, call, request };
      this.#pending.set(message.id, { message, resolve, reject });
      if (this.#thread === undefined) this.#replace();
      else this.#thread.postMessage(message);
      signal?.addEventListener("abort", () => this.#abandon(message.id, signal.reason as Error), { once: true });
    });
  }

  /** Cells see these declarations from now on. */
  reset(declarations: string): void {
    this.call("reset", { declarations }).catch(() => undefined); // a thread that fails at it is told of by the next cell
  }

  /** Calls that are under way are not answered any more. */
  async close(): Promise<void> {
    this.#pending.clear();
    await this.#thread?.terminate();
  }

  #start(): Worker {
    const workerData: CompilerThreadData = { declarations: this.#declarations };
    // TypeScript's chatter is not the notebook's: the thread's own output is not shown.
    const thread = new Worker(join(__dirname, "..", "worker", "compiler-thread.js"), {
      workerData,
      stdout: true,
      stderr: true,
      resourceLimits: { stackSizeMb: STACK_MB },
    });
    thread.stdout.resume();
    thread.stderr.resume();
    thread.on("message", (response: CompilerResponse) => {
      if (thread !== this.#thread) return;
      if ("failure" in response) return this.#failed(new KernelError("E_COMPILER", response.failure));
      if (response.declarations !== undefined) this.#declarations = response.declarations;
      const pending = this.#pending.get(response.id);
      this.#pending.delete(response.id);
      pending?.resolve(response.result as never);
    });
    thread.on("error", (error) => {
      if (thread === this.#thread)
        this.#failed(new KernelError("E_COMPILER", `the compiler stopped: ${error.message}`));
    });
    return thread;
  }

  #abandon(id: number, reason: Error): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.reject(reason);
    this.reset(this.#declarations);
    setTimeout(() => {
      if (this.#pending.has(id)) this.#failed(reason);
    }, ABANDONED_MS).unref();
  }

  /** The thread has failed at the oldest call, and its state may be anything; it has not come to the others. */
  #failed(error: Error): void {
    const [oldest] = this.#pending.values();
    if (oldest === undefined) {
      this.#thread = undefined; // it cannot even start: the next call tries once more
      return;
    }
    this.#pending.delete(oldest.message.id);
    oldest.reject(error);
    this.#replace();
  }

  #replace(): void {
    void this.#thread?.terminate();
    this.#thread = this.#start();
    for (const { message } of this.#pending.values()) this.#thread.postMessage(message);
  }
}
