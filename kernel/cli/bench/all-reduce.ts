/** `stateline bench allreduce`: time and bandwidth by message size and wire type, and where a narrower one pays. */

import { Command } from "commander";

import type { AllReduceCurve } from "../../api/index";
import { api } from "../lazy";
import { bytesIn, integerIn, withJson, type OutputFlags } from "../options";
import { checkPage, interruptible, printJson, printLine, writePage } from "../output";
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
  const where = crossover ? `; dotted: ${crossover.wireType} pays from ${crossover.fromBytes} bytes on` : "";
  return plotPage(
    `AllReduce of ${curve.ranks} ranks in one process`,
    [
      { title: `Time${where}`, traces: traces("microseconds"), layout: axes("µs") },
      { title: `Bus bandwidth${where}`, traces: traces("busbw"), layout: axes("GB/s") },
    ],
    table,
  );
}
