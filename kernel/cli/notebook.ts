/** `stateline notebook run`: executes a notebook without Jupyter. */

import { basename, dirname, resolve } from "node:path";
import { writeFile } from "node:fs/promises";

import { Command, InvalidArgumentError } from "commander";

import { KernelError } from "../jupyter/connection";
import { notebooks } from "./lazy";
import { joined, type MultilineText, type Output } from "./notebook/format";
import { isDefaults, isParameterName, type Parameters } from "./notebook/parameters";
import { positiveInteger, withJson, type OutputFlags } from "./options";
import { interruptible, note, printJson, printLine, writing } from "./output";

interface Flags extends OutputFlags {
  readonly output?: string;
  readonly html?: string;
  readonly allowErrors?: boolean;
  readonly timeout?: number;
  readonly parameter?: Parameters;
}

export function notebookCommand(): Command {
  const run = new Command("run")
    .description("execute a notebook without Jupyter, in the notebook's folder; what its cells print goes to stdout")
    .argument("<notebook>", "an .ipynb file")
    .option("-o, --output <file>", "write the executed notebook (may be the same file)")
    .option("--html <file>", "write it as one HTML page")
    .option(
      "-p, --parameter <name=value>",
      "set a variable behind the cell tagged `parameters`; JSON or text; may be repeated",
      parameter,
    )
    .option("--allow-errors", "go on after a cell that fails")
    .option("--timeout <seconds>", "interrupt a cell that takes longer", positiveInteger);
  withJson(run).action((path: string, flags: Flags) => interruptible((signal) => runNotebook(path, flags, signal)));
  return new Command("notebook").description("notebooks without Jupyter").addCommand(run);
}

async function runNotebook(path: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { readNotebook, writeNotebook, executeNotebook, notebookHtml, withParameters } = notebooks();
  const source = resolve(path);
  const files = {
    output: flags.output === undefined ? undefined : resolve(flags.output),
    html: flags.html === undefined ? undefined : resolve(flags.html),
  };
  const read = await readNotebook(source);
  if (flags.parameter !== undefined && !read.cells.some(isDefaults))
    note(`${path} has no cell tagged "parameters": what -p sets stands at its top, and cells that set it again win`);
  process.chdir(dirname(source)); // where Jupyter runs a notebook
  const start = performance.now();
  const { notebook, failure } = await executeNotebook(withParameters(read, flags.parameter ?? {}), {
    allowErrors: flags.allowErrors === true,
    timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
    signal,
    onCell: (ordinal, count) => note(`[${ordinal}/${count}]`),
    onOutput: (output) => {
      if (flags.json !== true) print(output);
    },
  });
  const { output, html } = files;
  const code = "E_NOTEBOOK_NOT_WRITTEN";
  if (output !== undefined) await writing(output, () => writeNotebook(output, notebook), code);
  if (html !== undefined) {
    const page = await notebookHtml(notebook, basename(source, ".ipynb"));
    await writing(html, () => writeFile(html, page), code);
  }
  const cells = notebook.cells.filter(({ execution_count: count }) => typeof count === "number").length;
  if (flags.json)
    printJson({
      notebook: source,
      cells,
      seconds: (performance.now() - start) / 1000,
      failure: failure ?? null,
      output: output ?? null,
      html: html ?? null,
    });
  if (signal.aborted)
    throw new KernelError("E_ABORTED", `${path} was interrupted after ${cells} cells`, { path, cells });
  if (failure === undefined) return;
  const { cell, ename, evalue } = failure;
  throw new KernelError("E_CELL_FAILED", `cell ${cell} of ${path} failed: ${ename}: ${evalue}`, { path, ...failure });
}

function parameter(text: string, previous: Parameters = {}): Parameters {
  const equals = text.indexOf("=");
  const name = text.slice(0, Math.max(0, equals));
  if (!isParameterName(name)) throw new InvalidArgumentError(`${JSON.stringify(text)} is not name=value.`);
  return { ...previous, [name]: jsonOrText(text.slice(equals + 1)) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text; // what is no JSON is taken as it is
  }
}

function print(output: Output): void {
  switch (output.output_type) {
    case "stream":
      return void (output.name === "stdout" ? process.stdout : process.stderr).write(output.text);
    case "error":
      return note(output.traceback.join("\n"));
    case "display_data":
    case "execute_result":
      return printLine(joined((output.data["text/plain"] ?? "") as MultilineText));
  }
}
