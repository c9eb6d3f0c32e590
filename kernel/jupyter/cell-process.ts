/** A worker that is always there: runs one piece of code at a time, is interrupted, and is started anew when it dies. */
import type { CompiledCell, ErrorReport, MimeBundle } from "../worker/messages";
import type { OutputRouter } from "./output-router";
import { WorkerProcess } from "./worker-process";

/** How long an interrupted cell may go on before its process is ended. */
const INTERRUPT_GRACE_MS = 5000;

export interface RunOptions {
  readonly run: number;
  readonly executionCount: number;
  readonly cell: CompiledCell;
  readonly showResult: boolean;
}

export interface RunResult {
  readonly error?: ErrorReport;
  readonly value?: MimeBundle;
}

interface Running {
  readonly run: number;
  readonly finish: (result: RunResult) => void;
  grace?: NodeJS.Timeout;
}

export class CellProcess {
  readonly #outputs: OutputRouter;
  readonly #onLost: () => void;
  #worker: WorkerProcess | undefined;
  #running: Running | undefined;
  #latestRun = 0;
  /** Said by the next cell when the process died between cells. */
  #notice: string | undefined;
  #outlastedInterrupt = false;

  /** @param onLost The process has died, and the variables of all cells with it. */
  constructor(outputs: OutputRouter, onLost: () => void) {
    this.#outputs = outputs;
    this.#onLost = onLost;
    this.#worker = this.#start();
  }

  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  run({ run, executionCount, cell, showResult }: RunOptions): Promise<RunResult> {
    return new Promise((finish) => {
      this.#running = { run, finish };
      this.#latestRun = run;
      if (this.#notice !== undefined)
        this.#outputs.handle({ type: "stream", run, name: "stderr", text: `${this.#notice}\n` });
      this.#notice = undefined;
      this.#worker ??= this.#start();
      this.#worker.run({ type: "run", run, executionCount, cell, showResult });
    });
  }

  interrupt(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#worker?.interrupt(running.run);
    running.grace ??= setTimeout(() => {
      this.#outlastedInterrupt = true;
      this.#worker?.kill();
    }, INTERRUPT_GRACE_MS);
  }

  close(): void {
    clearTimeout(this.#running?.grace);
    this.#worker?.close();
  }

  #start(): WorkerProcess {
    return new WorkerProcess({
      onFrame: (frame) => {
        if (frame.type === "done") this.#finish({ ...frame });
        else if (frame.type !== "ready") this.#outputs.handle(frame);
      },
      onRawOutput: (name, text) => this.#outputs.handle({ type: "stream", run: this.#latestRun, name, text }),
      onExit: (reason) => this.#lost(reason),
    });
  }

  #finish(result: RunResult): void {
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(running?.grace);
    running?.finish(result);
  }

  #lost(reason: string): void {
    const cause = this.#outlastedInterrupt
      ? `did not stop within ${INTERRUPT_GRACE_MS / 1000} s of being interrupted and was ended`
      : reason;
    this.#outlastedInterrupt = false;
    const text = `the process that runs the cells ${cause}; all variables are lost, a new process has been started`;
    this.#onLost();
    // One that died before it could run anything is started by the next cell, not in a loop.
    this.#worker = this.#running === undefined && this.#latestRun === 0 ? undefined : this.#start();
    if (this.#running === undefined) this.#notice = `Note: ${text}.`;
    else
      this.#finish({
        error: { ename: "WorkerDied", evalue: text, traceback: [`\u001b[31mWorkerDied\u001b[39m: ${text}`] },
      });
  }
}
