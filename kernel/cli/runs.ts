/** `stateline runs`: the recorded runs, newest first; takes one away and brings it back. */

import { Command } from "commander";

import { api } from "./lazy";
import { runsOption, withJson, type OutputFlags } from "./options";
import { checkFolder } from "./serve";
import { note, printJson, printLine } from "./output";

interface Flags extends OutputFlags {
  readonly delete?: string;
  readonly restore?: string;
}

export function runsCommand(): Command {
  const command = new Command("runs")
    .description("list recorded runs")
    .argument("[folder]", "folder of runs (default: $STATELINE_RUNS or runs)")
    .option("--delete <id>", "take a run away, then list the others")
    .option("--restore <id>", "bring a deleted run back, then list all");
  return withJson(command).action(async (folder: string | undefined, flags: Flags) => {
    const { FolderRunSource, listRuns, plainText } = api();
    if (folder !== undefined) await checkFolder(folder);
    const { store } = new FolderRunSource(folder);
    if (flags.delete !== undefined) {
      await store.remove(flags.delete);
      note(`deleted; \`stateline runs --restore ${flags.delete}\` brings it back`);
    }
    if (flags.restore !== undefined) await store.restore(flags.restore);
    const list = await listRuns(runsOption(folder));
    if (flags.json) printJson(list);
    else printLine(plainText(list));
  });
}
