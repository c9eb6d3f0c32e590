/** `stateline bench throughput`: tokens a second of batches of requests over context length, batch, ranks and wire type. */

import { Command, Option } from "commander";

import type { ThroughputBench, ThroughputBenchOptions, ThroughputPoint } from "../../api/index";
import { setupText } from "../../api/bench/setup";
import { api } from "../lazy";
import { positiveInteger, positiveIntegers, withJson, wordsOf, type OutputFlags } from "../options";
import { checkPage, interruptible, printJson, printLine, writePage } from "../output";
import { showing } from "../showing";
import { plotPage, type PlotChart } from "./plot-page";

type Flags = OutputFlags &
  Pick<ThroughputBenchOptions, "contexts" | "batches" | "wires" | "newTokens" | "rounds" | "threadsPerRank"> & {
    readonly model: string;
    readonly tp?: ThroughputBenchOptions["ranks"];
    readonly compute?: ThroughputBenchOptions["computeType"];
    readonly html?: string;
  };

export function throughputBenchCommand(): Command {
  const command = new Command("throughput")
    .description("tokens a second of batches of requests over context length, batch, ranks and wire type")
    .requiredOption("--model <dir>", "directory with config.json and model.safetensors")
    .option("--contexts <tokens>", "lengths of the prompts (default: 128,512,2048)", positiveIntegers)
    .option("--batches <requests>", "requests that come together (default: 1,8)", positiveIntegers)
    .option("--tp <ranks>", "tensor-parallel ranks (default: 1,2)", positiveIntegers)
    .option(
      "--wires <types>",
      "some of auto, f32, f16, bf16, int8 (default: f16,int8)",
      wordsOf("auto", "f32", "f16", "bf16", "int8"),
    )
    .option("--new-tokens <count>", "tokens that each request generates (default: 32)", positiveInteger)
    .option("--rounds <rounds>", "timings of each; the median counts (default: 5)", positiveInteger)
    .option(
      "--threads-per-rank <threads>",
      "of every rank, however many they are (default: cores / most ranks)",
      positiveInteger,
    )
    .addOption(
      new Option("--compute <type>", "type of the arithmetic (default: auto)").choices([
        "auto",
        "f32",
        "bf16",
        "f16",
        "int8",
      ]),
    )
    .option("--html <file>", "also write a page with the curves and their numbers");
  return withJson(command).action((flags: Flags) => interruptible((signal) => measure(flags, signal)));
}

async function measure(flags: Flags, signal: AbortSignal): Promise<void> {
  const { model, tp: ranks, compute: computeType, json, html, ...rest } = flags;
  const { benchThroughput, plainText } = api();
  await checkPage(html);
  const options = Object.entries({ ...rest, ranks, computeType }).filter(([, value]) => value !== undefined);
  const bench = await showing("measuring", (onProgress) =>
    benchThroughput(model, { ...Object.fromEntries(options), signal, onProgress }),
  );
  if (json) printJson(bench);
  else printLine(plainText(bench));
  if (html === undefined) return;
  const title = `Throughput of ${bench.model} on ${bench.machine}, ${bench.date}`;
  await writePage(html, plotPage(title, chartsOf(bench), plainText(bench)));
}

/** A chart a batch over the contexts; where there is one context, one chart over the batches. A line a set-up. */
function chartsOf({ points }: ThroughputBench): PlotChart[] {
  const contexts = [...new Set(points.map(({ context }) => context))];
  const batches = [...new Set(points.map(({ batch }) => batch))];
  const [context] = contexts;
  if (contexts.length === 1 && batches.length > 1)
    return [chartOf(`Prompts of ${context} tokens`, points, "requests together", ({ batch }) => batch)];
  return batches.map((batch) => {
    const own = points.filter((point) => point.batch === batch);
    const title = batch === 1 ? "One request" : `${batch} requests together`;
    return chartOf(title, own, "context, tokens", (point) => point.context);
  });
}

function chartOf(
  title: string,
  points: readonly ThroughputPoint[],
  axis: string,
  at: (point: ThroughputPoint) => number,
): PlotChart {
  const traces = [...new Set(points.map(setupText))].map((name) => {
    const line = points.filter((point) => setupText(point) === name).sort((a, b) => at(a) - at(b));
    return {
      ...{ name, mode: "lines+markers", hovertemplate: "%{y:.4s} tokens/s" },
      x: line.map(at),
      y: line.map(({ tokensPerSecond }) => tokensPerSecond),
    };
  });
  const ticks = [...new Set(points.map(at))];
  return {
    title,
    traces,
    layout: {
      hovermode: "x unified",
      xaxis: { type: "log", title: { text: axis }, tickvals: ticks, ticktext: ticks.map(String) },
      yaxis: { rangemode: "tozero", title: { text: "tokens/s, prompts and answers" } },
    },
  };
}
