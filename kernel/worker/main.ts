/** The process that runs cells and holds the engine. The front starts it, tells it what to run and hears its frames. */
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { receiveComm } from "../cells/cell-comms";
import { currentCell, runInCell, CellContext, type CellOutputs } from "../cells/cell-context";
import { CellRunner, Interrupted } from "../cells/cell-runner";
import { INTERRUPT_SLOTS } from "../cells/interrupt-flag";
import { encodeBundle, mimeBundle } from "../cells/mime-bundle";
import { unbufferNativeOutput } from "../cells/native-output";
import { SignalGate } from "../cells/signal-gate";
import { errorReport } from "../cells/traceback";
import { installCellStreams } from "./cell-streams";
import { FlushMarks } from "./flush-marks";
import { FRAME_PIPE_BYTES, FramePipe } from "./frame-pipe";
import { encodeFrame } from "./frame-writer";
import type { InterruptThreadData } from "./interrupt-thread";
import { Questions } from "./questions";
import { FLUSH_SECRET, type ErrorReport, type FromWorker, type MimeBundle, type ToWorker } from "./messages";
import { textPieces } from "./text-pieces";

const shared = new SharedArrayBuffer(INTERRUPT_SLOTS * Int32Array.BYTES_PER_ELEMENT);
const interrupts = new Int32Array(shared);
const gate = new SignalGate(interrupts);
const frames = new SharedArrayBuffer(FRAME_PIPE_BYTES);
const pipe = new FramePipe(frames);
const interruptThread = new Worker(join(__dirname, "interrupt-thread.js"), {
  workerData: { shared, frames } satisfies InterruptThreadData,
});
const attend = (): void => interruptThread.postMessage("attend");

/** A signal in the middle would leave half a frame, and none behind it could be read. */
const send = (message: FromWorker): void => {
  const frame = encodeFrame(message);
  gate.shield(() => pipe.write(frame));
};

const print = (run: number, name: "stdout" | "stderr", text: string): void => {
  const frame = encodeFrame({ type: "stream", run, name, text });
  gate.shield(() => pipe.print(frame, attend));
};

const questions = new Questions();

const outputs: CellOutputs = {
  stream: (run, name, text) => {
    for (const piece of textPieces(text)) print(run, name, piece);
  },
  display: (run, data, displayId) =>
    send({
      type: "display",
      run,
      data: encodeBundle(data),
      ...(displayId === undefined ? {} : { displayId }),
      update: false,
    }),
  update: (run, data, displayId) => send({ type: "display", run, data: encodeBundle(data), displayId, update: true }),
  clear: (run, wait) => send({ type: "clear", run, wait }),
  comm: (run, { buffers, ...message }) =>
    send({
      type: "comm",
      run,
      comm: { ...message, buffers: buffers.map((bytes) => Buffer.from(bytes).toString("base64")) },
    }),
  input: (run, prompt, password, signal) =>
    questions.ask((question) => send({ type: "question", run, question, prompt, password }), signal),
};

/** Output outside of any cell belongs to none. */
const NO_CELL = 0;
const runOfOutput = (): number => currentCell()?.run ?? NO_CELL;

function start(): void {
  installCellStreams(
    (name, text) => outputs.stream(runOfOutput(), name, text),
    () => outputs.clear(runOfOutput(), false),
  );
  interruptThread.unref();
  const runner = new CellRunner(process.cwd(), outputs, interrupts, gate);
  const marks = new FlushMarks(process.env[FLUSH_SECRET] ?? "");
  delete process.env[FLUSH_SECRET];
  unbufferNativeOutput();

  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "run":
        return void runCell(runner, message, marks).catch((error: unknown) => {
          // A cell may break what this process runs on, as the global Promise; its end is told all the same.
          send({ type: "done", run: message.run, marks: [], error: errorReport(error) });
        });
      case "interrupt":
        return void runner.interrupt(message.run, message.ordinal);
      case "answer":
        return questions.answer(message.question, message.answer);
      case "comm":
        return handleComm(message);
    }
  });
  process.on("disconnect", () => process.exit(0));
  process.on("exit", () => pipe.flush());
  process.on("SIGINT", () => undefined); // outside of a cell's synchronous part the interrupt message does it all
  gate.open();
  process.on("uncaughtException", reportStray);
  process.on("unhandledRejection", reportStray);
  send({ type: "ready" });
}

async function runCell(
  runner: CellRunner,
  { run, executionCount, cell, showResult, console }: Extract<ToWorker, { type: "run" }>,
  marks: FlushMarks,
): Promise<void> {
  const outcome = await runner.run(cell, run, executionCount, console);
  let ending: { readonly error?: ErrorReport; readonly value?: MimeBundle } =
    outcome.kind === "error" ? { error: outcome.error } : {};
  if (outcome.kind === "value" && outcome.value !== undefined) {
    try {
      const value = await valueBundle(outcome.value, run, executionCount);
      if (showResult) send({ type: "result", run, data: value });
      else ending = { value };
    } catch (error) {
      ending = { error: errorReport(error) };
    }
  }
  send({ type: "done", run, marks: marks.write(run), ...ending });
}

/** Listeners run as part of the request that brought the message: what they print belongs to it. */
function handleComm({ run, comm }: Extract<ToWorker, { type: "comm" }>): void {
  runInCell(new CellContext(run, 0, outputs), () => {
    try {
      receiveComm({ ...comm, buffers: comm.buffers.map((text) => Buffer.from(text, "base64")) });
    } catch (error) {
      reportStray(error);
    }
  });
  send({ type: "handled", run });
}

/** A value's own display method runs as part of the cell. */
function valueBundle(value: unknown, run: number, executionCount: number): Promise<MimeBundle> {
  return runInCell(new CellContext(run, executionCount, outputs), () => mimeBundle(value));
}

/** An error that no cell caught, thrown in a timer or a promise: its cell shows it, the process goes on. */
function reportStray(thrown: unknown): void {
  if (thrown instanceof Interrupted) return;
  const { ename, evalue, traceback } = errorReport(thrown);
  outputs.stream(runOfOutput(), "stderr", `${traceback.join("\n") || `${ename}: ${evalue}`}\n`);
}

start();
