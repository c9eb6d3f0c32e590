/** `stateline bench allreduce`: time and bandwidth by message size and wire type, and where a narrower one pays. */

import { Command } from "commander";

import { formatBytes } from "../../../profiler-ui/trace/format";
import type { AllReduceCurve } from "../../api/index";
import { api } from "../lazy";
import { positiveInteger, withJson, type OutputFlags } from "../options";
import { interruptible, printJson, printLine, writePage } from "../output";
import { showing } from "../showing";
import { plotPage } from "./plot-page";

interface Flags extends OutputFlags {
  readonly tp: number;
  readonly threadsPerRank?: number;
  readonly quantisationGroup?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly rounds?: number;
  readonly html?: string;
}

export function allReduceBenchCommand(): Command {
  const command = new Command("allreduce")
    .description("AllReduce among ranks of this process by size and wire type, as nccl-tests count it")
    .option("--tp <ranks>", "ranks", positiveInteger, 2)
    .option("--threads-per-rank <threads>", "of the engine in question (default: cores / ranks)", positiveInteger)
    .option(
      "--quantisation-group <values>",
      "values that share a scale on an int8 wire (default: 128)",
      positiveInteger,
    )
    .option("--min-bytes <bytes>", "smallest message, of its values as f32 (default: 1024)", positiveInteger)
    .option("--max-bytes <bytes>", "largest message (default: 16777216)", positiveInteger)
    .option("--rounds <rounds>", "timings of each; the median counts (default: 5)", positiveInteger)
    .option("--html <file>", "also write a page with the curve and its numbers");
  return withJson(command).action((flags: Flags) => interruptible((signal) => measure(flags, signal)));
}

async function measure(flags: Flags, signal: AbortSignal): Promise<void> {
  const { tp: ranks, threadsPerRank, quantisationGroup: group, minBytes, maxBytes, rounds } = flags;
  const { benchAllReduce, plainText } = api();
  const given = { threadsPerRank, group, minBytes, maxBytes, rounds };
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const curve = await showing("measuring AllReduce", (onProgress) =>
    benchAllReduce({ ranks, ...options, signal, onProgress }),
  );
  if (flags.json) printJson(curve);
  else printLine(plainText(curve));
  if (flags.html !== undefined) await writePage(flags.html, page(curve, plainText(curve)));
}

function page(curve: AllReduceCurve, table: string): string {
  const types = [...new Set(curve.points.map(({ wireType }) => wireType))];
  const traces = (figure: "microseconds" | "busbw"): object[] =>
    types.map((type) => {
      const points = curve.points.filter(({ wireType }) => wireType === type);
      return {
        name: type,
        mode: "lines+markers",
        x: points.map(({ bytes }) => bytes),
        y: points.map((p) => p[figure]),
      };
    });
  const { crossover } = curve;
  const line = crossover && {
    shapes: [
      {
        ...{ type: "line", yref: "paper", y0: 0, y1: 1, x0: crossover.fromBytes, x1: crossover.fromBytes },
        line: { dash: "dot", width: 1 },
      },
    ],
  };
  const axes = (title: string): object => ({
    xaxis: { type: "log", title: { text: "size of the values as f32, bytes" } },
    yaxis: { type: "log", title: { text: title } },
    ...line,
  });
  const where = crossover ? `; dotted: ${crossover.wireType} pays from ${formatBytes(crossover.fromBytes)} on` : "";
  return plotPage(
    `AllReduce of ${curve.ranks} ranks in one process`,
    [
      { title: `Time${where}`, traces: traces("microseconds"), layout: axes("µs") },
      { title: `Bus bandwidth${where}`, traces: traces("busbw"), layout: axes("GB/s") },
    ],
    table,
  );
}
