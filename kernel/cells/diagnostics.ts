/** What the compiler refuses, as an error a notebook shows: message, place and the line itself. */
import type { Diagnostic } from "tslab/dist/converter";
import type { ErrorReport } from "./compiled-cell";
import { excerpt, red } from "./excerpt";

/**
 * TypeScript's codes below 2000 are about syntax, those from 2000 on about types and names; but these, of modules that lack
 * what is imported, decorators, what `await` gets, and what is tested for truth, are about types as well.
 */
const TYPES_BELOW_2000: ReadonlySet<number> = new Set([
  1192, 1238, 1239, 1240, 1241, 1259, 1270, 1271, 1320, 1329, 1345, 1361, 1362,
]);

export const isSyntax = ({ code }: Pick<Diagnostic, "code">): boolean => code < 2000 && !TYPES_BELOW_2000.has(code);

/** TypeScript's "Cannot find name". */
const UNKNOWN_NAME = 2304;
const NO_USING =
  "cells know no `using`, which came with TypeScript 5.2: they are compiled by tslab's 5.0. " +
  "Write `const r = …; try { … } finally { r[Symbol.dispose](); }`, or `await r[Symbol.asyncDispose]();` for `await using`";

export function diagnosticsReport(source: string, all: readonly Diagnostic[]): ErrorReport {
  const diagnostics = telling(all);
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

/** What a broken syntax makes of names says nothing; nor does what follows from the word `using`. */
function telling(all: readonly Diagnostic[]): readonly Diagnostic[] {
  const using = all.find(({ code, messageText }) => code === UNKNOWN_NAME && messageText.includes("'using'"));
  if (using !== undefined) return [{ ...using, messageText: NO_USING }];
  const syntax = all.filter(isSyntax);
  return syntax.length > 0 ? syntax : all;
}

function place({ fileName, start }: Diagnostic): string {
  return `${fileName === undefined ? "" : `${fileName}:`}${start.line + 1}:${start.character + 1}`;
}

function width({ start, end }: Diagnostic): number {
  return end.line === start.line ? end.character - start.character : 1;
}
