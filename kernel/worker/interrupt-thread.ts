/**
 * Thread of the worker that hears interrupts while a cell keeps the process busy: it reads ordinals from the interrupt
 * pipe, raises the flag that the cells' loops look at, and sends SIGINT, which breaks synchronous code that has no loops of
 * ours and reaches what cells have started. When the pipe ends, the front is gone and so must this process be. It also
 * writes the text that is held back while the process is busy.
 */
import { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { INTERRUPT_FLAG, INTERRUPTS_HANDLED } from "../cells/interrupt-flag";
import { SignalGate } from "../cells/signal-gate";
import { FramePipe } from "./frame-pipe";
import { INTERRUPT_FD } from "./messages";

export interface InterruptThreadData {
  /** Numbers (Int32), cells/interrupt-flag.ts. */
  readonly shared: SharedArrayBuffer;
  /** frame-pipe.ts */
  readonly frames: SharedArrayBuffer;
}

const ORDINAL_BYTES = 4;
const HOLD_MS = 2;
const { shared, frames } = workerData as InterruptThreadData;
const interrupts = new Int32Array(shared);
const text = new FramePipe(frames);
const gate = new SignalGate(interrupts);
let pending = Buffer.alloc(0);

const pipe = new Socket({ fd: INTERRUPT_FD, readable: true, writable: false });
pipe.on("data", (chunk: Buffer) => {
  pending = Buffer.concat([pending, chunk]);
  for (; pending.length >= ORDINAL_BYTES; pending = pending.subarray(ORDINAL_BYTES)) raise(pending.readInt32LE(0));
});
pipe.on("close", () => {
  if (process.platform === "win32") process.kill(process.pid, "SIGKILL");
  else signalGroup("SIGKILL");
});

function raise(ordinal: number): void {
  // The message of the same ordinal may have been quicker, on the main thread: then there is nothing left to stop.
  if (Atomics.load(interrupts, INTERRUPTS_HANDLED) < ordinal) Atomics.store(interrupts, INTERRUPT_FLAG, ordinal);
  if (Atomics.load(interrupts, INTERRUPTS_HANDLED) >= ordinal)
    Atomics.compareExchange(interrupts, INTERRUPT_FLAG, ordinal, 0);
  gate.pass(ordinal, () => {
    // Windows has neither groups nor SIGINT for them: there the flag and the message have to do.
    if (process.platform !== "win32") signalGroup("SIGINT");
  });
}

/** The worker leads a process group: the signal reaches what cells have started, and never the front. */
function signalGroup(signal: "SIGINT" | "SIGKILL"): void {
  process.kill(-process.pid, signal);
}

/** Sees to it that text is held for a moment only. */
function attend(): void {
  setTimeout(() => (text.attend() ? attend() : text.leave()), HOLD_MS);
}
parentPort?.on("message", attend);
