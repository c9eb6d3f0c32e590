/**
 * Errors as a notebook shows them: positions are those of the cells' TypeScript, frames of the kernel itself are left out,
 * the line that threw is shown.
 */
import { SourceMap, type SourceMapPayload } from "node:module";
import { sep } from "node:path";
import { inspect } from "node:util";
import type { CompiledCell, ErrorReport } from "./compiled-cell";
import { excerpt, red } from "./excerpt";
import { columnBefore } from "./text-edits";

/** A position counted from 0. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** What leads from a frame back to a cell's line. */
interface Trace extends Pick<CompiledCell, "source" | "maps"> {
  locate?: (at: Position) => Position | undefined;
}

/** Cells by the file name they run under, the oldest first. */
const cells = new Map<string, Trace>();
/** Of all that is kept, some thousand cells: a session that lasts for weeks must not grow for ever. */
const MOST_CHARACTERS = 32e6;
let characters = 0;

const FRAME = /(In\[[^\]]*\]):(\d+):(\d+)/;

/** Makes positions in `name` (like `In[3]`) point into the cell's source, until many later cells have been run. */
export function registerCell(name: string, { source, maps }: CompiledCell): void {
  forget(name);
  const trace = { source, maps };
  cells.set(name, trace);
  characters += size(trace);
  for (const oldest of cells.keys()) {
    if (characters <= MOST_CHARACTERS || oldest === name) break;
    forget(oldest);
  }
}

function forget(name: string): void {
  const trace = cells.get(name);
  if (trace === undefined) return;
  cells.delete(name);
  characters -= size(trace);
}

function size({ source, maps }: Trace): number {
  return source.length + maps.code.length + maps.module.length;
}

/** Makes every `error.stack` of this process speak of cells. */
export function installStackTraces(): void {
  Error.stackTraceLimit = 50;
  Error.prepareStackTrace = (error, sites) => {
    const frames = sites.map(String);
    // What called the outermost cell is the kernel, and so is what stands between a cell and its modules.
    const outermost = frames.map((frame) => FRAME.test(frame)).lastIndexOf(true);
    const shown = outermost === -1 ? frames : frames.slice(0, outermost + 1).filter((frame) => !isKernel(frame));
    return [headline(error), ...shown.map((frame) => `    at ${mapFrame(frame)}`)].join("\n");
  };
}

/** Whether a frame is in this room's own files. */
function isKernel(frame: string): boolean {
  return frame.includes(`${__dirname}${sep}`);
}

/** @param thrown Anything a cell can throw, also what throws when it is looked at. */
export function errorReport(thrown: unknown): ErrorReport {
  try {
    return report(thrown);
  } catch {
    const evalue = "what was thrown cannot be shown: looking at it throws again";
    return { ename: "Uncaught", evalue, traceback: [`${red("Uncaught")} ${evalue}`] };
  }
}

function report(thrown: unknown): ErrorReport {
  if (!(thrown instanceof Error) && !isErrorOfOtherRealm(thrown)) {
    const evalue = inspect(thrown);
    return { ename: "Uncaught", evalue, traceback: [`${red("Uncaught")} ${evalue}`] };
  }
  // Node puts an error without frames in brackets.
  const text = inspect(thrown).replace(/^\[([^]*)\]$/, "$1");
  const where = FRAME.exec(thrown.stack ?? "");
  const lines = where === null ? [] : sourceLine(where);
  const name = errorName(thrown);
  return {
    ename: name,
    evalue: thrown.message,
    traceback: [...lines, text.startsWith(name) ? red(name) + text.slice(name.length) : text],
  };
}

function errorName(error: Error): string {
  return typeof error.name === "string" && error.name !== "" ? error.name : "Error";
}

function isErrorOfOtherRealm(thrown: unknown): thrown is Error {
  return Object.prototype.toString.call(thrown) === "[object Error]";
}

function headline(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return "Error"; // a name or message that cannot be read
  }
}

function mapFrame(frame: string): string {
  return frame.replace(FRAME, (whole, name: string, line: string, column: string) => {
    const at = locate(name, { line: Number(line) - 1, column: Number(column) - 1 });
    return at === undefined ? whole : `${name}:${at.line + 1}:${at.column + 1}`;
  });
}

function sourceLine([, name = "", line = "1", column = "1"]: RegExpExecArray): string[] {
  const source = cells.get(name)?.source;
  return source === undefined ? [] : [`${name}\n${excerpt(source, Number(line) - 1, Number(column) - 1)}`];
}

function locate(name: string, at: Position): Position | undefined {
  const entry = cells.get(name);
  if (entry === undefined) return undefined;
  entry.locate ??= locator(entry);
  return entry.locate(at);
}

/** Running code → edited module → converter's module → cell. */
function locator({ maps }: Trace): (at: Position) => Position | undefined {
  if (maps.module === "") return () => undefined;
  const code = maps.code === "" ? undefined : new SourceMap(JSON.parse(maps.code) as SourceMapPayload);
  const module = new SourceMap(JSON.parse(maps.module) as SourceMapPayload);
  return (at) => {
    const edited = code === undefined ? at : original(code, at);
    if (edited === undefined) return undefined;
    const column = columnBefore(maps.edits, edited.line, edited.column);
    const source = original(module, { line: edited.line, column });
    return source === undefined ? undefined : { line: source.line - maps.prefixLines, column: source.column };
  };
}

function original(map: SourceMap, { line, column }: Position): Position | undefined {
  const entry = map.findEntry(line, column);
  return "originalLine" in entry ? { line: entry.originalLine, column: entry.originalColumn } : undefined;
}
