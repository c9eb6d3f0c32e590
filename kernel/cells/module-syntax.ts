/** Syntax of whole files, which code that was copied from one brings into a cell and the converter does not take. */
import type * as ts from "@tslab/typescript-for-tslab";
import type { TypeScript } from "./tslab-compiler";

/** Makes an expression of what follows it: without it a function or an object would begin a statement. */
const EXPRESSION = "void 0,";

/**
 * `source` with blanks where such syntax stands, so that every position is what it was:
 * - `export`, since in a notebook every cell sees what a cell declares; what is exported by default is the cell's value;
 * - `with { type: "json" }` behind an import, which TypeScript 5.0 calls `assert`: the file's name says the same;
 * - a first line that begins with `#!`.
 */
export function blankModuleSyntax(typescript: TypeScript, source: string): string {
  if (!/\bexport\b|\bwith\b|^#!/.test(source)) return source;
  let text = source;
  const blank = (start: number, end: number, instead = ""): void => {
    const rest = text.slice(start + instead.length, end).replace(/[^\n]/g, " ");
    text = text.slice(0, start) + instead + rest + text.slice(end);
  };
  const file = typescript.createSourceFile("cell.ts", source, typescript.ScriptTarget.Latest, true);
  blank(0, /^#!.*/.exec(source)?.[0].length ?? 0);
  for (const statement of file.statements) {
    const start = statement.getStart(file);
    if (typescript.isImportDeclaration(statement)) {
      const attributes = /^\s*with\s*\{[^{}]*\}/.exec(source.slice(statement.moduleSpecifier.end));
      if (attributes !== null)
        blank(statement.moduleSpecifier.end, statement.moduleSpecifier.end + attributes[0].length);
    } else if (typescript.isExportDeclaration(statement) && statement.moduleSpecifier === undefined) {
      blank(start, statement.end);
    } else if (typescript.isExportAssignment(statement) && statement.isExportEquals !== true) {
      blank(start, statement.expression.getStart(file), EXPRESSION);
    } else {
      const [first, last] = exportModifiers(typescript, statement);
      if (first === undefined || last === undefined) continue;
      const named = !isDefault(typescript, last) || (statement as ts.DeclarationStatement).name !== undefined;
      blank(first.getStart(file), last.end, named ? "" : EXPRESSION);
    }
  }
  return text;
}

/** `export`, or `export` and `default`. */
function exportModifiers(typescript: TypeScript, statement: ts.Statement): (ts.Modifier | undefined)[] {
  const modifiers = typescript.canHaveModifiers(statement) ? (typescript.getModifiers(statement) ?? []) : [];
  const first = modifiers.find(({ kind }) => kind === typescript.SyntaxKind.ExportKeyword);
  return [first, modifiers.find((modifier) => isDefault(typescript, modifier)) ?? first];
}

function isDefault(typescript: TypeScript, { kind }: ts.Modifier): boolean {
  return kind === typescript.SyntaxKind.DefaultKeyword;
}
