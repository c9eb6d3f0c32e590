/**
 * `stateline start`: the demonstration. The bundled model on two ranks, once with f16 and once with int8 on the wire;
 * what each did, as a table; both runs in the profiler, side by side.
 */

import { join } from "node:path";

import { Command } from "commander";

import { formatBytes, formatNumber, formatShare } from "../../profiler-ui/trace/format";
import { kindTime, type RunSummary } from "../../profiler-ui/trace/summary";
import { textTable } from "../api/draw/table";
import type { Generation, Run } from "../api/index";
import { packageRoot } from "../api/package-root";
import { api, profiling, server } from "./lazy";
import { withModel } from "./model";
import { integerFromZero, positiveInteger, runsOption } from "./options";
import { aborted, interruptible, printLine } from "./output";
import { openBrowser } from "./serve";

interface Flags {
  readonly once?: boolean;
  readonly open?: boolean;
  readonly port: number;
  readonly prompt: string;
  readonly maxNewTokens: number;
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
    .option("--max-new-tokens <count>", "tokens to add", positiveInteger, 160)
    .option("--runs <folder>", "folder of runs (default: $STATELINE_RUNS or runs)")
    .action((flags: Flags) => interruptible((signal) => start(flags, signal)));
}

async function start(flags: Flags, signal: AbortSignal): Promise<void> {
  const [first, second] = [await demonstrate("f16", flags, signal), await demonstrate("int8", flags, signal)];
  const { compare, FolderRunSource } = api();
  printLine((await compare(first, second)).verdict);
  if (flags.once) return;
  const profiler = await server().startServer({ source: new FolderRunSource(flags.runs), port: flags.port });
  const address = profiler.urlOf(`/compare?a=${first.id}&b=${second.id}`);
  printLine(`\nBoth runs side by side: ${address}\nCtrl+C ends.`);
  if (flags.open) openBrowser(address);
  await aborted(signal);
  await profiler.close();
}

/** Generates with one wire type, streaming the text, and prints where its time went. */
async function demonstrate(allReduce: "f16" | "int8", flags: Flags, signal: AbortSignal): Promise<Run> {
  const directory = join(packageRoot(), "models/tiny-mamba");
  return withModel(directory, { tensorParallel: RANKS, allReduce, signal }, async (model) => {
    printLine(`${model.name} on ${RANKS} ranks, ${allReduce} AllReduce\n`);
    const options = { maxNewTokens: flags.maxNewTokens, temperature: 0.8, topP: 0.95, seed: 7, cache: false, signal };
    // The first steps pay for pages, caches and cores that ranks share at first; they are not what is to be compared.
    await model.generate(flags.prompt, options);
    process.stdout.write(flags.prompt);
    const onToken = ({ text }: { readonly text: string }): void => void process.stdout.write(text);
    const { run, value } = await profiling().recorded(() => model.generate(flags.prompt, { ...options, onToken }), {
      label: `${allReduce} AllReduce`,
      ...runsOption(flags.runs),
    });
    printLine(`\n\n${figures(value, await run.summary())}\n`);
    return run;
  });
}

function figures({ ttftMs, decodeTokensPerSecond, wireBytes }: Generation, { ranks }: RunSummary): string {
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
    `first token after ${formatNumber(ttftMs)} ms, then ${formatNumber(decodeTokensPerSecond)} tokens/s; ` +
    `${formatBytes(wireBytes)} on the wire; share of each rank's time:\n\n${table}`
  );
}
