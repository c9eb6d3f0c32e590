/** `stateline bench throughput`: tokens a second of batches of requests over context length, batch, ranks and wire type. */

import { Command, Option } from "commander";

import type { ThroughputBench, ThroughputBenchOptions } from "../../api/index";
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
  if (html !== undefined)
    await writePage(html, plotPage(`Throughput of ${bench.model}`, chartsOf(bench), plainText(bench)));
}

/** A chart a batch, a line a set-up. */
function chartsOf({ points }: ThroughputBench): PlotChart[] {
  return [...new Set(points.map(({ batch }) => batch))].map((batch) => {
    const own = points.filter((point) => point.batch === batch);
    const traces = [...new Set(own.map(setupText))].map((name) => {
      const line = own.filter((point) => setupText(point) === name).sort((a, b) => a.context - b.context);
      return {
        ...{ name, mode: "lines+markers" },
        x: line.map(({ context }) => context),
        y: line.map(({ tokensPerSecond }) => tokensPerSecond),
      };
    });
    return {
      title: batch === 1 ? "One request" : `${batch} requests together`,
      traces,
      layout: {
        xaxis: { type: "log", title: { text: "context, tokens" } },
        yaxis: { rangemode: "tozero", title: { text: "tokens/s" } },
      },
    };
  });
}
