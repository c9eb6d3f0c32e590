/** Whether a console should run what was typed, wait for more, or show an error (Jupyter's is_complete). */
import type * as ts from "@tslab/typescript-for-tslab";
import type { Completeness } from "./compiled-cell";
import type { TypeScript } from "./tslab-compiler";

/** Diagnostics that say "the text ended too early" wherever they point: unterminated template, comment, block. */
const UNTERMINATED = new Set([1160, 1010, 1126]);

export function completeness(typescript: TypeScript, source: string): Completeness {
  const file = typescript.createSourceFile(
    "cell.ts",
    `export {};\n${source}`, // a module: await is allowed at its top
    typescript.ScriptTarget.Latest,
    false,
    typescript.ScriptKind.TS,
  ) as ts.SourceFile & { readonly parseDiagnostics: readonly ts.DiagnosticWithLocation[] };
  const errors = file.parseDiagnostics;
  if (errors.length === 0) return { status: "complete" };
  const end = file.text.trimEnd().length;
  // 1002, an unterminated string, cannot be mended by another line.
  const early = ({ code, start }: ts.DiagnosticWithLocation): boolean =>
    UNTERMINATED.has(code) || (start >= end && code !== 1002);
  return errors.every(early) ? { status: "incomplete", indent: indentAfter(source) } : { status: "invalid" };
}

/** Indentation of the next line: one step deeper after an opening bracket. */
function indentAfter(source: string): string {
  const line = source.trimEnd().split("\n").at(-1) ?? "";
  const indent = /^\s*/.exec(line)?.[0] ?? "";
  return /[{([]\s*$/.test(line) ? `${indent}  ` : indent;
}
