/** `stateline bench allreduce`: time and bandwidth by message size and wire type, and where a narrower one pays. */

import { Command } from "commander";

import type { AllReduceCurve } from "../../api/index";
import { api } from "../lazy";
import { bytesIn, integerIn, withJson, type OutputFlags } from "../options";
import { checkPage, interruptible, printJson, printLine, writePage } from "../output";
import { showing } from "../showing";
import { plotPage, type PlotChart } from "./plot-page";

interface Flags extends OutputFlags {
  readonly tp: number;
  readonly threadsPerRank?: number;
  readonly quantisationGroup?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly rounds?: number;
  readonly html?: string;
}

const messageBytes = bytesIn(4, 256 * 1024 * 1024);

export function allReduceBenchCommand(): Command {
  const command = new Command("allreduce")
    .description("AllReduce among ranks of this process by size and wire type, as nccl-tests count it")
    .option("--tp <ranks>", "ranks", integerIn(2, 64), 2)
    .option("--threads-per-rank <threads>", "of the engine in question (default: cores / ranks)", integerIn(1, 1024))
    .option(
      "--quantisation-group <values>",
      "values that share a scale on an int8 wire (default: 128)",
      integerIn(1, 65536),
    )
    .option("--min-bytes <bytes>", "smallest message, of its values as f32, as 1024 or 1K (default: 1K)", messageBytes)
    .option("--max-bytes <bytes>", "largest message; each is twice the one before (default: 16M)", messageBytes)
    .option("--rounds <rounds>", "timings of each; the median counts (default: 5)", integerIn(1, 1000))
    .option("--html <file>", "also write a page with the curve and its numbers");
  return withJson(command).action((flags: Flags) => interruptible((signal) => measure(flags, signal)));
}

async function measure(flags: Flags, signal: AbortSignal): Promise<void> {
  const { tp: ranks, threadsPerRank, quantisationGroup: group, minBytes, maxBytes, rounds } = flags;
  const { benchAllReduce, plainText } = api();
  await checkPage(flags.html);
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
  const { crossover, points, ranks } = curve;
  const sizes = [...new Set(points.map(({ bytes }) => bytes))];
  const types = [...new Set(points.map(({ wireType }) => wireType))];
  const shapes = crossover && [
    {
      ...{ type: "line", yref: "paper", y0: 0, y1: 1, x0: crossover.fromBytes, x1: crossover.fromBytes },
      line: { dash: "dot", width: 1 },
    },
  ];
  const chart = (title: string, unit: string, figure: "microseconds" | "algbw" | "busbw"): PlotChart => ({
    title,
    traces: types.map((type) => {
      const own = points.filter(({ wireType }) => wireType === type);
      return {
        ...{ name: type, mode: "lines+markers" },
        x: own.map(({ bytes }) => bytes),
        y: own.map((one) => one[figure]),
      };
    }),
    layout: {
      xaxis: {
        ...{ type: "log", title: { text: "size of the values as f32, bytes" } },
        ...{ tickvals: sizes, ticktext: sizes.map(binarySize) },
      },
      yaxis: { type: "log", dtick: 1, title: { text: unit } },
      ...(shapes && { shapes }),
    },
  });
  const where = crossover
    ? `; dotted: by the fastest rounds ${crossover.wireType} pays from ${binarySize(crossover.fromBytes)} on`
    : "";
  return plotPage(
    `AllReduce of ${ranks} ranks in one process`,
    [
      chart(`Median time${where}`, "µs", "microseconds"),
      chart("Algorithm bandwidth: size over time", "GB/s", "algbw"),
      chart(`Bus bandwidth: algorithm bandwidth · 2 (P − 1) / P, P = ${ranks}`, "GB/s", "busbw"),
    ],
    table,
  );
}

/** As nccl-tests are told sizes: "4K", "16M". */
function binarySize(bytes: number): string {
  const [unit, divisor] = bytes >= 2 ** 20 ? ["M", 2 ** 20] : bytes >= 2 ** 10 ? ["K", 2 ** 10] : ["", 1];
  return `${Number((bytes / divisor).toPrecision(3))}${unit}`;
}
