#!/usr/bin/env node
/** The `stateline` command: one file a subcommand. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */

import { Command, CommanderError } from "commander";

import { reasonOf } from "../../profiler-ui/trace/errors";
import { packageVersion } from "../api/package-root";
import { benchCommand } from "./bench";
import { doctorCommand } from "./doctor";
import { evalCommand } from "./eval";
import { exportCommand } from "./export";
import { generateCommand } from "./generate";
import { importCommand } from "./import";
import { kernelCommand } from "./kernel";
import { logitsCommand } from "./logits";
import { notebookCommand } from "./notebook";
import { modelsCommand } from "./models";
import { runsCommand } from "./runs";
import { serveCommand } from "./serve";
import { startCommand } from "./start";

export function program(): Command {
  const stateline = new Command("stateline")
    .description("Tensor-parallel inference of selective state-space models, recorded and drawn")
    .version(packageVersion())
    .option("--debug", "show the stack of an error");
  const commands = [
    startCommand(),
    generateCommand(),
    logitsCommand(),
    evalCommand(),
    benchCommand(),
    serveCommand(),
    runsCommand(),
    exportCommand(),
    importCommand(),
    modelsCommand(),
    notebookCommand(),
    kernelCommand(),
    doctorCommand(),
  ];
  for (const command of commands) stateline.addCommand(command);
  // Commander exits by itself unless told to throw, and with 1 for wrong usage. Commands that are added inherit nothing.
  const everyCommand = (command: Command): void => {
    command.exitOverride().configureHelp({ showGlobalOptions: true });
    command.commands.forEach(everyCommand);
  };
  everyCommand(stateline);
  return stateline;
}

/** Runs a command line; the process's exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const stateline = program();
  try {
    await stateline.parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { debug } = stateline.opts<{ debug?: boolean }>();
    process.stderr.write(`${debug ? stackOf(error) : lineOf(error)}\n`);
    return exitCodeOf(codeOf(error));
  }
}

function exitCodeOf(code: unknown): number {
  if (code === "E_ABORTED") return 130;
  return code === "E_OPTION_INVALID" || code === "E_OPTION_UNKNOWN" ? 2 : 1;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function lineOf(error: unknown): string {
  const message = reasonOf(error).replaceAll(/\s*\n\s*/g, " ");
  const code = codeOf(error);
  return `stateline: ${message}${typeof code === "string" && code.startsWith("E_") ? ` (${code})` : ""}`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

if (require.main === module) {
  // A reader that goes away (`stateline runs | head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  void main(process.argv).then((code) => (process.exitCode = code));
}
