/** The notebook file format, version 4 (nbformat.readthedocs.io): read, and written as Jupyter writes it. */

import { readFile, writeFile } from "node:fs/promises";

import { reasonOf } from "../../../profiler-ui/trace/errors";
import { KernelError } from "../../jupyter/connection";

/** Texts stand in files as one string or as a list of lines. */
export type MultilineText = string | readonly string[];

export type Output =
  | { readonly output_type: "stream"; readonly name: "stdout" | "stderr"; readonly text: string }
  | { readonly output_type: "display_data"; readonly data: Data; readonly metadata: object }
  | {
      readonly output_type: "execute_result";
      readonly data: Data;
      readonly metadata: object;
      readonly execution_count: number;
    }
  | {
      readonly output_type: "error";
      readonly ename: string;
      readonly evalue: string;
      readonly traceback: readonly string[];
    };

/** Content by MIME type. */
export type Data = Readonly<Record<string, unknown>>;

export interface Cell {
  readonly cell_type: string;
  readonly id?: string;
  readonly source: MultilineText;
  readonly metadata?: { readonly tags?: readonly string[] };
  readonly attachments?: Readonly<Record<string, Data>>;
  /** Of code cells. */
  outputs?: readonly Output[];
  execution_count?: number | null;
}

export interface Notebook {
  readonly nbformat: 4;
  readonly cells: readonly Cell[];
  readonly metadata: {
    readonly kernelspec?: { readonly language?: string };
    language_info?: { readonly name?: string };
  };
}

/** Languages that the kernel runs: TypeScript and what is a part of it. */
const LANGUAGES = new Set(["typescript", "javascript"]);

export const joined = (text: MultilineText): string => (typeof text === "string" ? text : text.join(""));

/** @throws KernelError `E_NOTEBOOK_UNREADABLE`, `E_NOTEBOOK_LANGUAGE` */
export async function readNotebook(path: string): Promise<Notebook> {
  const refuse = (reason: string): never => {
    throw new KernelError("E_NOTEBOOK_UNREADABLE", `${path} ${reason}`, { path });
  };
  const text = await readFile(path, "utf8").catch((error: unknown) => refuse(`cannot be read: ${reasonOf(error)}`));
  const parse = (): Partial<Record<keyof Notebook, unknown>> | null => {
    try {
      return JSON.parse(text) as ReturnType<typeof parse>;
    } catch (error) {
      return refuse(`is not a notebook: ${reasonOf(error)}`);
    }
  };
  const notebook = parse();
  if (notebook === null || notebook.nbformat === undefined)
    return refuse("is not a notebook: it has no nbformat number");
  if (notebook.nbformat !== 4)
    return refuse(
      `has notebook format ${JSON.stringify(notebook.nbformat)}, not 4; open it in Jupyter and save it anew`,
    );
  if (!Array.isArray(notebook.cells) || !notebook.cells.every(isCell))
    return refuse("is not a notebook: its cells are not a list of cells with a type and a source");
  const whole = { metadata: {}, ...notebook } as Notebook;
  const language = whole.metadata.kernelspec?.language ?? whole.metadata.language_info?.name;
  if (language !== undefined && !LANGUAGES.has(language))
    throw new KernelError("E_NOTEBOOK_LANGUAGE", `${path} is written in ${language}; this kernel runs TypeScript`, {
      path,
      language,
    });
  return whole;
}

/** Keys in order, texts as lists of lines: what Jupyter writes, so that a difference of two files is one of content. */
export async function writeNotebook(path: string, notebook: Notebook): Promise<void> {
  const cells = notebook.cells.map((cell) => ({
    ...cell,
    source: lines(joined(cell.source)),
    ...(cell.outputs === undefined ? {} : { outputs: cell.outputs.map(outputInFile) }),
  }));
  await writeFile(path, `${JSON.stringify(sorted({ ...notebook, cells }), undefined, 1)}\n`);
}

function outputInFile(output: Output): object {
  if (output.output_type === "stream") return { ...output, text: lines(output.text) };
  if (output.output_type === "error") return output;
  const data = Object.entries(output.data).map(([type, content]): [string, unknown] => [
    type,
    typeof content === "string" && !type.startsWith("image/png") ? lines(content) : content,
  ]);
  return { ...output, data: Object.fromEntries(data) };
}

function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

function isCell(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { cell_type: type, source } = value as Partial<Cell>;
  return typeof type === "string" && (typeof source === "string" || Array.isArray(source));
}
