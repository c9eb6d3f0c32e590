/** A worker that is always there: runs one piece of code at a time, is interrupted, and is started anew when it dies. */
import type { CommFrame, CompiledCell, ErrorReport, FromWorker, MimeBundle } from "../worker/messages";
import type { Death } from "./last-words";
import type { OutputRouter } from "./output-router";
import { WorkerProcess } from "./worker-process";

/** How long an interrupted cell may go on before its process is ended. */
const INTERRUPT_GRACE_MS = 5000;

export interface RunOptions {
  readonly run: number;
  readonly executionCount: number;
  readonly cell: CompiledCell;
  readonly showResult: boolean;
  readonly console: boolean;
  /** Asks the user; undefined when there is nobody to ask. */
  readonly ask: ((prompt: string, password: boolean) => Promise<string>) | undefined;
}

export interface RunResult {
  readonly error?: ErrorReport;
  readonly value?: MimeBundle;
}

export interface CellProcessEvents {
  /** The process has died, and the variables of all cells with it. */
  onLost(): void;
  onComm(run: number, comm: CommFrame): void;
}

interface Running {
  readonly run: number;
  readonly ask: RunOptions["ask"];
  readonly finish: (result: RunResult) => void;
  grace?: NodeJS.Timeout;
}

export class CellProcess {
  readonly #outputs: OutputRouter;
  readonly #events: CellProcessEvents;
  #worker: WorkerProcess | undefined;
  #running: Running | undefined;
  #latestRun = 0;
  /** Comm messages that the worker has not dealt with yet, by run. */
  readonly #handling = new Map<number, () => void>();
  /** Said by the next cell when the process died between cells. */
  #notice: string | undefined;

  constructor(outputs: OutputRouter, events: CellProcessEvents) {
    this.#outputs = outputs;
    this.#events = events;
    this.#worker = this.#start();
  }

  get pid(): number | undefined {
    return this.#worker?.pid;
  }

  run({ run, executionCount, cell, showResult, console, ask }: RunOptions): Promise<RunResult> {
    return new Promise((finish) => {
      this.#running = { run, ask, finish };
      this.#latestRun = run;
      if (this.#notice !== undefined)
        this.#outputs.handle({ type: "stream", run, name: "stderr", text: `${this.#notice}\n` });
      this.#notice = undefined;
      this.#worker ??= this.#start();
      this.#worker.send({ type: "run", run, executionCount, cell, showResult, console });
    });
  }

  /** Brings a comm's message to its listeners; resolves when they have run. */
  comm(run: number, comm: CommFrame): Promise<void> {
    return new Promise((handled) => {
      this.#handling.set(run, handled);
      this.#worker ??= this.#start();
      this.#worker.send({ type: "comm", run, comm });
    });
  }

  interrupt(): void {
    const running = this.#running;
    if (running === undefined) return;
    this.#worker?.interrupt(running.run);
    running.grace ??= setTimeout(() => {
      this.#worker?.kill(`did not stop within ${INTERRUPT_GRACE_MS / 1000} s of being interrupted and was ended`);
    }, INTERRUPT_GRACE_MS);
  }

  close(): void {
    clearTimeout(this.#running?.grace);
    this.#worker?.close();
  }

  #start(): WorkerProcess {
    return new WorkerProcess({
      onFrame: (frame) => {
        this.#handle(frame);
      },
      onRawOutput: (name, text) => this.#outputs.handle({ type: "stream", run: this.#latestRun, name, text }),
      onExit: (death) => this.#lost(death),
    });
  }

  #handle(frame: FromWorker): void {
    switch (frame.type) {
      case "ready":
        return;
      case "done":
        return this.#finish({ ...frame });
      case "comm":
        return this.#events.onComm(frame.run, frame.comm);
      case "handled":
        return this.#handled(frame.run);
      case "question":
        return void this.#ask(frame);
      default:
        return this.#outputs.handle(frame);
    }
  }

  #handled(run: number): void {
    this.#outputs.flush();
    this.#handling.get(run)?.();
    this.#handling.delete(run);
  }

  async #ask({ run, question, prompt, password }: Extract<FromWorker, { type: "question" }>): Promise<void> {
    const worker = this.#worker;
    const ask = this.#running?.run === run ? this.#running.ask : undefined;
    this.#outputs.flush(); // the question comes behind what the cell has printed
    worker?.send({
      type: "answer",
      question,
      answer:
        ask === undefined
          ? { refused: "nobody can be asked: the cell has ended, or the front end takes no input" }
          : { value: await ask(prompt, password) },
    });
  }

  #finish(result: RunResult): void {
    const running = this.#running;
    this.#running = undefined;
    clearTimeout(running?.grace);
    running?.finish(result);
  }

  #lost({ reason, advice }: Death): void {
    const text =
      `the process that runs the cells ${reason}; all variables are lost, a new process has been started` +
      (advice === undefined ? "" : `.\n${advice}`);
    this.#events.onLost();
    for (const run of this.#handling.keys()) this.#handled(run);
    // One that died before it could run anything is started by the next cell, not in a loop.
    this.#worker = this.#running === undefined && this.#latestRun === 0 ? undefined : this.#start();
    if (this.#running === undefined) this.#notice = `Note: ${text}.`;
    else
      this.#finish({
        error: { ename: "WorkerDied", evalue: text, traceback: [`\u001b[31mWorkerDied\u001b[39m: ${text}`] },
      });
  }
}
