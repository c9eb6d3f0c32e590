/**
 * Thread of the worker that hears interrupts while a cell keeps the process busy: it reads ordinals from the interrupt
 * pipe and raises the flag that the cells' loops look at. When the pipe ends, the front is gone and so must this process be.
 */
import { Socket } from "node:net";
import { workerData } from "node:worker_threads";
import { INTERRUPT_FLAG, INTERRUPTS_HANDLED } from "../cells/interrupt-flag";
import { INTERRUPT_FD } from "./messages";

export interface InterruptThreadData {
  /** Two numbers (Int32), cells/interrupt-flag.ts. */
  readonly shared: SharedArrayBuffer;
}

const ORDINAL_BYTES = 4;
const interrupts = new Int32Array((workerData as InterruptThreadData).shared);
let pending = Buffer.alloc(0);

const pipe = new Socket({ fd: INTERRUPT_FD, readable: true, writable: false });
pipe.on("data", (chunk: Buffer) => {
  pending = Buffer.concat([pending, chunk]);
  for (; pending.length >= ORDINAL_BYTES; pending = pending.subarray(ORDINAL_BYTES)) raise(pending.readInt32LE(0));
});
pipe.on("close", () => {
  // The worker leads a process group: what cells have started ends with it.
  process.kill(process.platform === "win32" ? process.pid : -process.pid, "SIGKILL");
});

function raise(ordinal: number): void {
  // The message of the same ordinal may have been quicker, on the main thread: then there is nothing left to stop.
  if (Atomics.load(interrupts, INTERRUPTS_HANDLED) < ordinal) Atomics.store(interrupts, INTERRUPT_FLAG, 1);
  if (Atomics.load(interrupts, INTERRUPTS_HANDLED) >= ordinal) Atomics.store(interrupts, INTERRUPT_FLAG, 0);
}
