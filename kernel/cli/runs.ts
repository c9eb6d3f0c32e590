/** `stateline runs`: the recorded runs, newest first. */

import { Command } from "commander";

import { api } from "./lazy";
import { runsOption, withJson, type OutputFlags } from "./options";
import { printJson, printLine } from "./output";

export function runsCommand(): Command {
  const command = new Command("runs")
    .description("list recorded runs")
    .argument("[folder]", "folder of runs (default: $STATELINE_RUNS or runs)");
  return withJson(command).action(async (folder: string | undefined, { json }: OutputFlags) => {
    const { listRuns, plainText } = api();
    const list = await listRuns(runsOption(folder));
    if (json) printJson(list);
    else printLine(plainText(list));
  });
}
