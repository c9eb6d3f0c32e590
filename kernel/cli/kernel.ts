/** `stateline kernel`: makes the kernel known to Jupyter, or forgotten. */

import { join } from "node:path";

import { Command, InvalidArgumentError, Option } from "commander";

import { packageRoot } from "../api/package-root";
import { installKernel, kernelsFolder, listKernels, uninstallKernel, type Place } from "../jupyter/kernelspec";
import { withJson, type OutputFlags } from "./options";
import { printJson, printLine } from "./output";

interface PlaceFlags extends OutputFlags {
  readonly sysPrefix?: boolean;
  readonly prefix?: string;
  readonly name: string;
}

interface InstallFlags extends PlaceFlags {
  readonly displayName: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function kernelCommand(): Command {
  return new Command("kernel")
    .description("make the notebook kernel known to Jupyter")
    .addCommand(installCommand())
    .addCommand(uninstallCommand())
    .addCommand(listCommand());
}

function installCommand(): Command {
  return withPlace(new Command("install").description("install the kernel for Jupyter; needs no Python"))
    .option("--display-name <text>", "what notebooks show", "TypeScript (Stateline)")
    .option("--env <key=value>", "set for the kernel's process; may be repeated", variable)
    .action((flags: InstallFlags) => {
      const { name, displayName, env = {} } = flags;
      const program = join(packageRoot(), "dist/kernel/jupyter/main.js");
      const folder = installKernel(kernelsFolder(placeOf(flags)), { name, displayName, program, env });
      report(flags, { name, folder }, `Installed kernel ${name} in ${folder}`);
    });
}

function uninstallCommand(): Command {
  return withPlace(new Command("uninstall").description("remove the kernel from Jupyter")).action(
    (flags: PlaceFlags) => {
      const { name } = flags;
      const folder = uninstallKernel(kernelsFolder(placeOf(flags)), name);
      report(flags, { name, folder }, `Removed kernel ${name} from ${folder}`);
    },
  );
}

function listCommand(): Command {
  return withJson(new Command("list").description("kernels of Stateline that Jupyter finds")).action(
    (flags: OutputFlags) => {
      const kernels = listKernels();
      const lines = kernels.map(({ name, displayName, folder }) => `${name}  ${displayName}  ${folder}`);
      report(flags, kernels, lines.join("\n") || "No kernel is installed; stateline kernel install installs it");
    },
  );
}

function withPlace(command: Command): Command {
  return withJson(command)
    .addOption(new Option("--user", "for this user (the default)").conflicts(["sysPrefix", "prefix"]))
    .addOption(
      new Option("--sys-prefix", "into the active Python environment (VIRTUAL_ENV or CONDA_PREFIX)").conflicts(
        "prefix",
      ),
    )
    .addOption(new Option("--prefix <folder>", "under <folder>/share/jupyter").argParser(folder))
    .option("--name <name>", "name of the kernel", "stateline");
}

function placeOf({ sysPrefix, prefix }: PlaceFlags): Place {
  if (prefix !== undefined) return { kind: "prefix", folder: prefix };
  return sysPrefix === true ? { kind: "sysPrefix" } : { kind: "user" };
}

function folder(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must name a folder.");
  return text;
}

function variable(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError(`${JSON.stringify(text)} is not KEY=VALUE.`);
  return { ...previous, [text.slice(0, equals)]: text.slice(equals + 1) };
}

function report({ json }: OutputFlags, data: unknown, text: string): void {
  if (json === true) printJson(data);
  else printLine(text);
}
