/** Namespaces and augmentations (`declare global`, `declare module "x"`) of earlier cells, which tslab's converter forgets. */
import type { TypeScript } from "./tslab-compiler";

/**
 * Those of the declarations `before` a cell that still hold after it.
 *
 * @param after What the converter writes: of namespaces only the cell's own.
 * @param names Values that the cell declares.
 */
export function keptNamespaces(
  typescript: TypeScript,
  before: string,
  after: string,
  names: readonly string[],
): string {
  const earlier = namespaces(typescript, before);
  if (earlier.length === 0) return "";
  const own = namespaces(typescript, after);
  const replaced = new Set([...names, ...own.filter(({ augments }) => !augments).map(({ name }) => name)]);
  const same = new Set(own.map(({ text }) => text));
  return earlier
    .filter(({ name, text, augments }) => !same.has(text) && (augments || !replaced.has(name)))
    .map(({ text }) => `\n${text}`)
    .join("");
}

interface Namespace {
  readonly name: string;
  readonly text: string;
  /** Adds to what is elsewhere, so that another of the same name adds to it. */
  readonly augments: boolean;
}

function namespaces(typescript: TypeScript, declarations: string): Namespace[] {
  if (!/\b(namespace|module|global)\b/.test(declarations)) return [];
  const file = typescript.createSourceFile("declarations.d.ts", declarations, typescript.ScriptTarget.Latest);
  return file.statements.filter(typescript.isModuleDeclaration).map((statement) => ({
    name: statement.name.text,
    text: declarations.slice(statement.pos, statement.end).trim(),
    augments: typescript.isStringLiteral(statement.name) || statement.name.text === "global",
  }));
}
