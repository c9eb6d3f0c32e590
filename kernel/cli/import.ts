/** `stateline import`: a trace of another tool becomes a run. */

import { Command } from "commander";

import { api } from "./lazy";
import { runsOption, withJson, type OutputFlags } from "./options";
import { interruptible, printJson, printLine } from "./output";

interface Flags extends OutputFlags {
  readonly label?: string;
  readonly runs?: string;
}

export function importCommand(): Command {
  const command = new Command("import")
    .description("make a run of traces: Chrome or PyTorch (Kineto) JSON, also .gz, or a SQLite export of nsys")
    .argument("<files...>", "one file, or a file a rank of one execution")
    .option("--label <text>", "what the run is called (default: the file's name)")
    .option("--runs <folder>", "folder of runs (default: $STATELINE_RUNS or runs)");
  return withJson(command).action((files: string[], { label, runs, json }: Flags) =>
    interruptible(async (signal) => {
      const options = { ...runsOption(runs), ...(label === undefined ? {} : { label }), signal };
      const run = await api().importRun(files, options);
      if (json) printJson({ id: run.id, events: run.info.events, ranks: run.info.tensorParallel });
      else printLine(`${run.id}: ${run.info.events} spans of ${run.info.tensorParallel} ranks`);
    }),
  );
}
