/** `stateline bench cpu`: where a step's time goes on this machine, and how near each op is to the machine's floor. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command, Option } from "commander";

import type { CpuBench, LoadOptions } from "../../api/index";
import { api } from "../lazy";
import { withModel } from "../model";
import {
  positiveInteger,
  samplingOptions,
  withJson,
  withSamplingOptions,
  type OutputFlags,
  type SamplingFlags,
} from "../options";
import { checkPage, interruptible, printJson, printLine, writePage } from "../output";
import { showing } from "../showing";
import { plotPage, type PlotChart } from "./plot-page";

interface Flags extends SamplingFlags, OutputFlags {
  readonly model?: string;
  readonly like: string;
  readonly tp: number;
  readonly threadsPerRank?: number;
  readonly compute: "auto" | "f32" | "bf16" | "int8";
  readonly rounds?: number;
  readonly html?: string;
}

export function cpuBenchCommand(): Command {
  const command = new Command("cpu")
    .description("every op's time on this CPU, its floor and the share reached")
    .option("--model <dir>", "model to run (default: random weights of --like)")
    .option("--like <shape>", "published shape", "mamba-130m")
    .option("--tp <ranks>", "tensor-parallel ranks", positiveInteger, 1)
    .option("--threads-per-rank <threads>", "of every rank (default: cores / ranks)", positiveInteger)
    .addOption(
      new Option("--compute <type>", "type of the arithmetic").choices(["auto", "f32", "bf16", "int8"]).default("auto"),
    )
    .option("--rounds <rounds>", "each measures everything in turn; medians count (default: 5)", positiveInteger)
    .option("--html <file>", "also write a page with charts and the numbers");
  return withJson(withSamplingOptions(command)).action((flags: Flags) =>
    interruptible((signal) => measure(flags, signal)),
  );
}

async function measure(flags: Flags, signal: AbortSignal): Promise<void> {
  await checkPage(flags.html);
  const scratch = await mkdtemp(join(tmpdir(), "stateline-bench-"));
  try {
    const model = flags.model ?? (await randomModel(flags.like, join(scratch, flags.like), signal));
    const bench = await withModel(model, { ...loadOptions(flags), signal }, (loaded) =>
      showing("measuring", (onProgress) =>
        api().benchCpu(loaded, {
          ...samplingOptions(flags),
          ...(flags.rounds && { rounds: flags.rounds }),
          signal,
          onProgress,
        }),
      ),
    );
    if (flags.json) printJson(bench);
    else printLine(api().plainText(bench));
    if (flags.html !== undefined) await writePage(flags.html, page(bench));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function loadOptions({ tp, threadsPerRank, compute }: Flags): LoadOptions {
  return {
    ...{ device: "cpu", tensorParallel: tp, computeType: compute, cacheBytes: 0 },
    ...(threadsPerRank && { threadsPerRank }),
  };
}

async function randomModel(like: string, out: string, signal: AbortSignal): Promise<string> {
  const made = await showing("writing random weights", (onProgress) =>
    api().makeModel({ like, out, signal, onProgress }),
  );
  return made.directory;
}

function page(bench: CpuBench): string {
  const workloads = [...new Set(bench.ops.map(({ workload }) => workload))];
  const charts = workloads.map((workload): PlotChart => {
    const ops = bench.ops.filter((op) => op.workload === workload);
    const bars = (name: string, times: readonly number[]): object => ({
      ...{ type: "bar", orientation: "h", name, y: ops.map(({ op }) => op), x: times.map((ns) => ns / 1000) },
    });
    return {
      title: workload,
      traces: [
        bars(
          "a step",
          ops.map(({ timeNs }) => timeNs),
        ),
        bars(
          "floor",
          ops.map(({ floorNs }) => floorNs),
        ),
      ],
      layout: {
        height: 150 + 36 * ops.length,
        margin: { t: 24, r: 16, b: 56, l: 140 },
        xaxis: { title: { text: "µs" } },
        yaxis: { autorange: "reversed" },
      },
    };
  });
  return plotPage(`Ops of ${bench.model} on ${bench.machine}, ${bench.date}`, charts, api().plainText(bench));
}
