/** `export` before a declaration, as in code that was copied from a module: in a notebook every cell sees it anyway. */
import type { TypeScript } from "./tslab-compiler";

/** `source` with blanks where the modifiers stand: every position is what it was. */
export function blankExportModifiers(typescript: TypeScript, source: string): string {
  if (!source.includes("export")) return source;
  const file = typescript.createSourceFile("cell.ts", source, typescript.ScriptTarget.Latest, true);
  let text = source;
  for (const statement of file.statements) {
    if (!typescript.canHaveModifiers(statement)) continue;
    const modifiers = typescript.getModifiers(statement) ?? [];
    if (modifiers.some(({ kind }) => kind === typescript.SyntaxKind.DefaultKeyword)) continue;
    const word = modifiers.find(({ kind }) => kind === typescript.SyntaxKind.ExportKeyword);
    if (word !== undefined)
      text = text.slice(0, word.getStart(file)) + " ".repeat("export".length) + text.slice(word.end);
  }
  return text;
}
