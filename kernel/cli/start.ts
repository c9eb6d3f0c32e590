/**
 * `stateline start`: the demonstration. The bundled model on two ranks, with f16 and with int8 on the wire by turns;
 * what each did, as a table; both runs in the profiler, side by side.
 */

import { join } from "node:path";

import { Command } from "commander";

import { formatBytes, formatShare, formatSpeed, formatTime } from "../../profiler-ui/trace/format";
import { servedSpeed } from "../../profiler-ui/trace/served";
import { kindTime, type RunSummary } from "../../profiler-ui/trace/summary";
import { textTable } from "../api/draw/table";
import type { Model, Run, RunInfo } from "../api/index";
import { packageRoot } from "../api/package-root";
import type { WireType } from "../api/native";
import { api } from "./lazy";
import { withModel } from "./model";
import { showing } from "./showing";
import { integerFromZero, positiveInteger, runsOption } from "./options";
import { interruptible, printLine } from "./output";
import { openBrowser, serving } from "./serve";

interface Flags {
  readonly once?: boolean;
  readonly open?: boolean;
  readonly port: number;
  readonly prompt: string;
  readonly maxNewTokens: number;
  readonly rounds: number;
  readonly runs?: string;
}

const RANKS = 2;

export function startCommand(): Command {
  return new Command("start")
    .description("the demonstration: generate on two ranks with f16 and int8 AllReduce, then open both runs")
    .option("--once", "end after printing")
    .option("--open", "open the browser")
    .option("--port <number>", "of the profiler, 0 takes a free one", integerFromZero, 0)
    .option("--prompt <text>", "text to continue", "Sherlock Holmes took")
    .option("--max-new-tokens <count>", "tokens to add", positiveInteger, 60)
    .option("--rounds <count>", "generations recorded with each, by turns", positiveInteger, 8)
    .option("--runs <folder>", "folder of runs (default: $STATELINE_RUNS or runs)")
    .action((flags: Flags) => interruptible((signal) => start(flags, signal)));
}

async function start(flags: Flags, signal: AbortSignal): Promise<void> {
  const [first, second] = await withWire("f16", signal, (f16) =>
    withWire("int8", signal, (int8) => record(f16, int8, flags, signal)),
  );
  const { compare, FolderRunSource } = api();
  printLine((await compare(first, second)).verdict);
  if (flags.once) return;
  const source = new FolderRunSource(flags.runs);
  await serving({ source, port: flags.port }, signal, (profiler) => {
    const address = profiler.urlOf(`/compare?a=${first.id}&b=${second.id}`);
    printLine(`\nBoth runs side by side: ${address}\nCtrl+C ends.`);
    if (flags.open) openBrowser(address);
  });
}

function withWire<T>(allReduce: WireType, signal: AbortSignal, work: (model: Model) => Promise<T>): Promise<T> {
  return withModel(join(packageRoot(), "models/tiny-mamba"), { tensorParallel: RANKS, allReduce, signal }, work);
}

/** Both models by turns; what each wrote, and where its time went. */
async function record(f16: Model, int8: Model, flags: Flags, signal: AbortSignal): Promise<readonly [Run, Run]> {
  const { prompt, maxNewTokens, rounds } = flags;
  const generation = { maxNewTokens, temperature: 0.8, topP: 0.95, seed: 7, cache: false, signal };
  // The first steps pay for pages, caches and cores that ranks share at first; they are not what is to be compared.
  for (const model of [f16, int8]) {
    printLine(`${model.name} on ${RANKS} ranks, ${model.plan.allReduce.outProj} AllReduce\n`);
    process.stdout.write(prompt);
    const onToken = ({ text }: { readonly text: string }): void => void process.stdout.write(text);
    await model.generate(prompt, { ...generation, onToken });
    printLine("\n");
  }
  const labels = ["f16 AllReduce", "int8 AllReduce"];
  const runs = await showing("recording both by turns", (onProgress) =>
    api().profileByTurns([f16, int8], { ...generation, prompt, rounds, labels, onProgress, ...runsOption(flags.runs) }),
  );
  for (const run of runs) printLine(`${run.info.label}: ${figures(run.info, await run.summary())}\n`);
  return runs;
}

function figures({ requests }: RunInfo, { ranks }: RunSummary): string {
  const speed = servedSpeed(requests);
  if (!speed) return "nothing was generated";
  const kinds = ["scan", "conv", "gemm", "collective"] as const;
  const table = textTable({
    columns: [
      { title: "rank" },
      ...["scan", "conv", "GEMM", "AllReduce", "other", "sent"].map((title) => ({ title, align: "right" as const })),
    ],
    rows: ranks.map((rank) => {
      const shares = kinds.map((kind) => kindTime(rank, kind).share);
      const other = 1 - shares.reduce((sum, share) => sum + share, 0);
      return [String(rank.rank), ...[...shares, other].map(formatShare), formatBytes(rank.wireBytes)];
    }),
  });
  return (
    `first token after ${formatTime(speed.firstTokenNs)}, then ${formatSpeed(speed.decode)}, ` +
    `medians of ${speed.requests} generations; share of each rank's time:\n\n${table}`
  );
}
