/** Magics at work: what stands around a cell's TypeScript, and bash. */
import { spawn } from "node:child_process";
import { formatTime } from "../../profiler-ui/trace/format";
import { recorded } from "../api/runs/profile";
import type { CellContext } from "./cell-context";
import type { CellMagic } from "./magics";
import { encodeBundle, mimeBundle } from "./mime-bundle";

/** Runs `work` with the magics around it, the first one outermost. */
export async function withMagics(
  magics: readonly CellMagic[],
  context: CellContext,
  work: () => Promise<void>,
): Promise<void> {
  const [magic, ...rest] = magics;
  if (magic === undefined) return work();
  const inner = (): Promise<void> => withMagics(rest, context, work);
  if (magic.kind === "time") await timed(inner);
  else await profiled(magic.label === "" ? `cell ${context.executionCount}` : magic.label, context, inner);
}

const NS_PER_MS = 1e6;
const NS_PER_US = 1e3;

async function timed(work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  const before = process.cpuUsage();
  try {
    await work();
  } finally {
    const wall = (performance.now() - start) * NS_PER_MS;
    const { user, system } = process.cpuUsage(before);
    const processor = (user + system) * NS_PER_US;
    process.stdout.write(
      `Wall time: ${formatTime(wall)}, processor: ${formatTime(processor)} (${formatTime(user * NS_PER_US)} user, ${formatTime(system * NS_PER_US)} system)\n`,
    );
  }
}

async function profiled(label: string, context: CellContext, work: () => Promise<void>): Promise<void> {
  const { run } = await recorded(work, { label });
  if (context.interrupted) return;
  if (run.info.events === 0) {
    process.stdout.write(`%%profile: the engine did nothing in this cell; run ${run.id} is empty\n`);
    return;
  }
  for (const part of [run, await run.timeline(), await run.summary()])
    context.host.display(encodeBundle(await mimeBundle(part)));
}

/** Runs a script in bash; its output is the cell's. Ended when the cell is interrupted. */
export async function bash(script: string, signal: AbortSignal): Promise<void> {
  const child = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "pipe"] });
  const stop = (): void => void child.kill();
  signal.addEventListener("abort", stop, { once: true });
  child.stdout.setEncoding("utf8").on("data", (text: string) => void process.stdout.write(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => void process.stderr.write(text));
  try {
    const reason = await new Promise<string | undefined>((resolve) => {
      child.on("error", (error) => resolve(`could not be started: ${error.message}`));
      child.on("close", (code, ending) => {
        if (code === 0) resolve(undefined);
        else resolve(ending === null ? `ended with exit code ${code ?? "unknown"}` : `was ended by ${ending}`);
      });
    });
    if (reason !== undefined) throw new BashError(`bash ${reason}`);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A script that did not end well. */
class BashError extends Error {
  override readonly name: string = "BashError";

  constructor(message: string) {
    super(message);
    this.stack = `${this.name}: ${message}`; // frames of the kernel would say nothing
  }
}
