/** The worker process as the front sees it: started, told what to run, heard, interrupted, and missed when it dies. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { FLUSH_SECRET, FRAMES_FD, INTERRUPT_FD, type FromWorker, type ToWorker } from "../worker/messages";
import { FrameReader, UnreadableFrame } from "./frame-reader";
import { LastWords, type Death } from "./last-words";
import { RawOutput } from "./raw-output";

export interface WorkerEvents {
  onFrame(frame: FromWorker): void;
  /** Text on the process's own stdout or stderr. */
  onRawOutput(name: "stdout" | "stderr", text: string): void;
  /** The process is gone. */
  onExit(death: Death): void;
}

type Done = Extract<FromWorker, { type: "done" }>;

/** How long output that is still in the pipes of a dead process is waited for. */
const DRAIN_MS = 200;
/** How long a process that hears us no longer has for its own end: then it is not ending, but deaf. */
const DEAF_MS = 1000;
const STREAMS = ["stdout", "stderr"] as const;

export class WorkerProcess {
  readonly #process: ChildProcess;
  readonly #interruptPipe: Writable;
  readonly #events: WorkerEvents;
  readonly #marked = { stdout: 0, stderr: 0 };
  readonly #lastWords: LastWords;
  /** A cell that has ended, while what it wrote is still on its way. */
  #finished: Done | undefined;
  #interrupts = 0;
  /** Why this side has ended the process. */
  #killed: string | undefined;
  #stopping = false;

  constructor(events: WorkerEvents) {
    this.#events = events;
    this.#lastWords = new LastWords((text) => events.onRawOutput("stderr", text));
    const secret = randomBytes(16).toString("hex");
    this.#process = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", join(__dirname, "..", "worker", "main.js")],
      {
        // stdin, stdout, stderr, messages in, FRAMES_FD, INTERRUPT_FD
        stdio: ["ignore", "pipe", "pipe", "ipc", "pipe", "pipe"],
        // Leads its own process group: SIGINT then reaches what a cell has started, and never the front.
        detached: true,
        env: { ...process.env, [FLUSH_SECRET]: secret },
      },
    );
    const pipes: readonly (Readable | Writable | null | undefined)[] = this.#process.stdio;
    this.#interruptPipe = pipes[INTERRUPT_FD] as Writable;
    this.#interruptPipe.on("error", ignoreClosedPipe);
    this.#readFrames(pipes[FRAMES_FD] as Readable);
    for (const name of STREAMS) this.#readRaw(name, secret);
    this.#process.on("error", (error) => this.#lost({ reason: `could not be started: ${error.message}` }));
    const deaf = (): void => this.kill("closed its connection to the kernel and was ended");
    this.#process.on("disconnect", () => setTimeout(deaf, DEAF_MS));
    this.#process.on("exit", (code, signal) => {
      const lost = (): void => this.#lost(this.#death(code, signal));
      const drained = setTimeout(lost, DRAIN_MS);
      this.#process.once("close", () => {
        clearTimeout(drained);
        lost();
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(message: ToWorker): void {
    this.#process.send(message, ignoreClosedPipe);
  }

  /** Interrupts cell `run` wherever it is: in a loop, in a package's synchronous code, or waiting. */
  interrupt(run: number): void {
    const ordinal = ++this.#interrupts;
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(ordinal);
    this.#interruptPipe.write(bytes);
    this.#process.send({ type: "interrupt", run, ordinal } satisfies ToWorker, ignoreClosedPipe);
  }

  /** Ends the process; `onExit` follows, with the reason. */
  kill(reason: string): void {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    this.#killed = reason;
    try {
      if (process.platform === "win32") this.#process.kill();
      else process.kill(-pid, "SIGKILL"); // its process group: what cells have started as well
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // gone already: that is what we want
    }
  }

  /** Ends the process and all it has started, for good: no `onExit`. */
  close(): void {
    this.#stopping = true;
    this.kill("was closed");
  }

  #readFrames(pipe: Readable): void {
    const reader = new FrameReader();
    pipe.on("data", (chunk: Buffer) => {
      try {
        for (const frame of reader.read(chunk)) {
          if (frame.type === "done") this.#finish(frame);
          else this.#events.onFrame(frame);
        }
      } catch (error) {
        if (!(error instanceof UnreadableFrame)) throw error;
        pipe.removeAllListeners("data").resume();
        this.kill(`wrote to the kernel's own connection (file descriptor ${FRAMES_FD}), and was ended`);
      }
    });
  }

  #readRaw(name: "stdout" | "stderr", secret: string): void {
    const raw = new RawOutput(
      secret,
      (text) => (name === "stderr" ? this.#lastWords.read(text) : this.#events.onRawOutput(name, text)),
      (run) => {
        if (name === "stderr") this.#lastWords.release();
        this.#marked[name] = run;
        this.#deliverWhenMarked();
      },
    );
    this.#process[name]?.on("data", (chunk: Buffer) => raw.read(chunk));
    this.#process[name]?.on("end", () => raw.end());
  }

  /** A cell is done when all it wrote, by whatever pipe, is here. */
  #finish(frame: Done): void {
    this.#finished = frame;
    this.#deliverWhenMarked();
  }

  #deliverWhenMarked(): void {
    const finished = this.#finished;
    if (finished?.marks.every((name) => this.#marked[name] >= finished.run) === true) this.#deliver();
  }

  #deliver(): void {
    const finished = this.#finished;
    if (finished === undefined) return;
    this.#finished = undefined;
    this.#events.onFrame(finished);
  }

  #death(code: number | null, signal: NodeJS.Signals | null): Death {
    const told = signal === null ? undefined : this.#lastWords.death();
    if (told !== undefined) return told;
    this.#lastWords.release();
    if (this.#killed !== undefined) return { reason: this.#killed };
    if (signal === null) return { reason: `ended with exit code ${code ?? "unknown"}` };
    return {
      reason: `was ended by ${signal}${signal === "SIGKILL" ? ", as the system does when memory runs out" : ""}`,
    };
  }

  #lost(death: Death): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#deliver();
    this.#events.onExit(death);
  }
}

/** A write to a process that has just died: its exit is reported on its own. */
function ignoreClosedPipe(): void {
  return;
}
