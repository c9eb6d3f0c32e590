/** `stateline export`: a run as a file that other tools open. */

import { Command, Option } from "commander";

import type { ExportFormat } from "../api/index";
import { FILE_TYPES } from "../../profiler-ui/trace/export/index";
import { api } from "./lazy";
import { runsOption, withJson, type OutputFlags } from "./options";
import { printJson, printLine } from "./output";

interface Flags extends OutputFlags {
  readonly format: ExportFormat;
  readonly out?: string;
  readonly runs?: string;
}

export function exportCommand(): Command {
  const command = new Command("export")
    .description(
      "write a run for Perfetto, chrome://tracing, Holistic Trace Analysis, speedscope, or as Parquet or SVG",
    )
    .argument("<run>", "id or folder of the run; `stateline runs` lists them")
    .addOption(
      new Option("--format <format>", "chrome: one file, or a file a rank when --out does not end in .json")
        .choices(Object.keys(FILE_TYPES))
        .default("perfetto"),
    )
    .option("--out <file>", "default: the run's id with the format's ending")
    .option("--runs <folder>", "folder of runs (default: $STATELINE_RUNS or runs)");
  return withJson(command).action(async (id: string, { format, out, runs, json }: Flags) => {
    const run = await api().openRun(id, runsOption(runs));
    const path = await run.export(format, out ?? `${run.id}${FILE_TYPES[format].ending}`);
    if (json) printJson({ id: run.id, format, path });
    else printLine(path);
  });
}
