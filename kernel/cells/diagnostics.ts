/** What the compiler refuses, as an error a notebook shows: message, place and the line itself. */
import type { Diagnostic } from "tslab/dist/converter";
import type { ErrorReport } from "./compiled-cell";
import { excerpt, red } from "./excerpt";

/** TypeScript's codes below 2000 are about syntax, those from 2000 on about types and names. */
export const isSyntax = ({ code }: Pick<Diagnostic, "code">): boolean => code < 2000;

export function diagnosticsReport(source: string, diagnostics: readonly Diagnostic[]): ErrorReport {
  const ename = diagnostics.some(isSyntax) ? "SyntaxError" : "TypeScriptError";
  const lines = diagnostics.map(
    (diagnostic) => `${place(diagnostic)} ${diagnostic.messageText} (TS${diagnostic.code})`,
  );
  return {
    ename,
    evalue: lines.join("\n"),
    traceback: diagnostics.flatMap((diagnostic, index) => {
      const head = `${red(ename)}: ${lines[index] ?? ""}`;
      if (diagnostic.fileName !== undefined) return [head];
      return [head, excerpt(source, diagnostic.start.line, diagnostic.start.character, width(diagnostic))];
    }),
  };
}

function place({ fileName, start }: Diagnostic): string {
  return `${fileName === undefined ? "" : `${fileName}:`}${start.line + 1}:${start.character + 1}`;
}

function width({ start, end }: Diagnostic): number {
  return end.line === start.line ? end.character - start.character : 1;
}
