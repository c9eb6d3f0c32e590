/** `stateline models make`: a checkpoint with random weights of a published shape, for benchmarks without downloads. */

import { Command, Option } from "commander";

import { formatBytes, formatCount, formatNumber } from "../../profiler-ui/trace/format";
import { api } from "./lazy";
import { integerFromZero, positiveInteger, withJson, type OutputFlags } from "./options";
import { interruptible, printJson, printLine } from "./output";
import { showing } from "./showing";

interface Flags extends OutputFlags {
  readonly like: string;
  readonly out: string;
  readonly layers?: number;
  readonly seed: number;
  readonly dtype: "bf16" | "f16" | "f32";
  readonly force?: boolean;
}

export function modelsCommand(): Command {
  return new Command("models").description("checkpoints for benchmarks").addCommand(makeCommand());
}

function makeCommand(): Command {
  const command = new Command("make")
    .description("write random weights of a published shape")
    .requiredOption(
      "--like <name>",
      "mamba-130m, mamba-370m, mamba-790m, mamba-1.4b, mamba-2.8b, falcon-mamba-small, falcon-mamba-7b or zamba-7b",
    )
    .requiredOption("--out <dir>", "directory to write; sharded above 4 GB")
    .option("--layers <count>", "instead of the shape's own", positiveInteger)
    .option("--seed <number>", "the same seed gives the same weights", integerFromZero, 0)
    .addOption(new Option("--dtype <type>", "stored type").choices(["bf16", "f16", "f32"]).default("bf16"))
    .option("--force", "replace the model in a directory that is not empty");
  return withJson(command).action((flags: Flags) => interruptible((signal) => make(flags, signal)));
}

async function make({ json, ...options }: Flags, signal: AbortSignal): Promise<void> {
  const begin = performance.now();
  const made = await showing("writing", (onProgress) => api().makeModel({ ...options, signal, onProgress }));
  const seconds = (performance.now() - begin) / 1000;
  if (json) return printJson({ ...made, seconds });
  const files = made.files.length === 1 ? "1 file" : `${made.files.length} files`;
  printLine(
    `wrote ${made.directory}: ${formatCount(made.parameters)} parameters, ${formatBytes(made.bytes)} in ${files}, ${formatNumber(seconds)} s`,
  );
}
