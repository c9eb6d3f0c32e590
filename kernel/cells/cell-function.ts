/**
 * Makes the body of a function out of a cell that tslab's converter has turned into an ES module.
 *
 * - A variable of a cell lives in one place, as a property of the object that all cells share (`exports`): every cell and
 *   every closure reads and writes the same one. A loop at the top of a cell then costs about three times what it costs
 *   inside a function (3.5 against 1 ns an iteration; through tslab's proxied export it is some 300 times).
 * - Loops look at a shared flag, since nothing in Node interrupts a loop after an await or in a timer (about 1 ns an
 *   iteration; `throw` keeps V8 from giving up on the loop, which a call there makes it do).
 * - `import()` and `import.meta` become calls and values of ours: in a function made by vm they mean nothing.
 */
import type * as ts from "@tslab/typescript-for-tslab";
import type { TypeScript } from "./tslab-compiler";
import { applyEdits, lineEdits, type Edit, type LineEdit } from "./text-edits";

/** Names the function's body expects as parameters, in this order. */
export const cellParameters = [
  "exports",
  "require",
  "module",
  "__filename",
  "__dirname",
  "$cell",
  "$interrupt",
  "$stop",
  "$interrupted",
  "$import",
  "$meta",
  "$magics",
  "$literal",
] as const;

export interface CellFunction {
  readonly javascript: string;
  /** The function must be async. */
  readonly hasAwait: boolean;
  /** Modules that static imports name. */
  readonly imports: readonly string[];
  /** Names the cell declares. */
  readonly names: readonly string[];
  /** Those of them that a `var` inside a statement declares: the converter writes no declarations of these. */
  readonly hoisted: readonly string[];
  /** From the ES module to the text that became `javascript`. */
  readonly edits: readonly LineEdit[];
  /** Source map (JSON) of `javascript` over the edited text; empty where they are the same. */
  readonly map: string;
}

/**
 * The function of a cell.
 *
 * @param module The ES module as tslab's converter leaves it: declarations, then one `export { … }` of all names.
 * @param lastExpression Name of the constant that holds the cell's last expression, if it ends with one.
 */
export function cellFunction(typescript: TypeScript, module: string, lastExpression: string | undefined): CellFunction {
  const file = typescript.createSourceFile(
    "cell.js",
    module,
    typescript.ScriptTarget.ES2022,
    true,
    typescript.ScriptKind.JS,
  );
  const edits: Edit[] = [];
  const insert = (offset: number, text: string): void => void edits.push({ offset, removed: 0, text });
  const names = exportedNames(typescript, file);
  const inPlace = new Set<string>();
  const nested = nestedVariables(typescript, file);
  const hoisted = [...new Set(nested.flatMap(({ declarations }) => listNames(typescript, declarations)))].filter(
    (name) => names.has(name) && !declaresAtTop(typescript, file, name),
  );
  if (hoisted.length > 0) insert(0, `export var ${hoisted.join(", ")}; `);
  for (const list of nested) assignInstead(typescript, file, list, edits);
  const imports = file.statements.flatMap((statement) =>
    typescript.isImportDeclaration(statement) && typescript.isStringLiteral(statement.moduleSpecifier)
      ? [statement.moduleSpecifier.text]
      : [],
  );
  const isModule = names.size > 0 || imports.length > 0;

  for (const statement of file.statements) {
    if (typescript.isImportDeclaration(statement)) {
      const bound = importedNames(typescript, statement).filter((name) => names.has(name));
      for (const name of bound) inPlace.add(name);
      insert(statement.end, bound.map((name) => ` exports.${name} = ${name};`).join(""));
    } else if (typescript.isVariableStatement(statement)) {
      const bound = listNames(typescript, statement.declarationList.declarations);
      const first = statement.declarationList.declarations[0];
      if (first !== undefined && lastExpression !== undefined && bound[0] === lastExpression) {
        const offset = statement.getStart(file);
        edits.push({ offset, removed: first.name.end - offset, text: "$cell.value" });
      } else if (bound.every((name) => names.has(name)) && bound.length > 0) {
        insert(statement.getStart(file), "export ");
        for (const name of bound) inPlace.add(name);
      }
    } else if (typescript.isExportDeclaration(statement)) {
      const rest = [...names].filter((name) => !inPlace.has(name) && !hoisted.includes(name));
      const offset = statement.getStart(file);
      edits.push({ offset, removed: statement.end - offset, text: isModule ? `export { ${rest.join(", ")} };` : "" });
    }
  }

  let hasAwait = false;
  const visit = (node: ts.Node, topLevel: boolean): void => {
    if (topLevel && isAwait(typescript, node)) hasAwait = true;
    if (typescript.isIterationStatement(node, false)) checkLoop(typescript, file, node, insert);
    else if (typescript.isFunctionLike(node)) checkEntry(typescript, file, node, insert);
    else if (typescript.isCallExpression(node)) editCall(typescript, file, node, insert, edits);
    else if (typescript.isMetaProperty(node) && node.keywordToken === typescript.SyntaxKind.ImportKeyword) {
      const offset = node.getStart(file);
      edits.push({ offset, removed: node.end - offset, text: "$meta" });
    }
    const inside = topLevel && !typescript.isFunctionLike(node) && !typescript.isPropertyDeclaration(node);
    typescript.forEachChild(node, (child) => visit(child, inside));
  };
  visit(file, true);

  const edited = applyEdits(module, edits);
  // A cell that declares nothing needs no step from module to function, and most of its time would go into that step.
  const { javascript, map } = isModule ? commonJs(typescript, edited) : { javascript: edited, map: "" };
  return { javascript, hasAwait, imports, names: [...names], hoisted, edits: lineEdits(module, edits), map };
}

function commonJs(typescript: TypeScript, module: string): { readonly javascript: string; readonly map: string } {
  const { outputText, sourceMapText = "" } = typescript.transpileModule(module, {
    fileName: "cell.js",
    compilerOptions: {
      module: typescript.ModuleKind.CommonJS,
      target: typescript.ScriptTarget.ES2022,
      esModuleInterop: true,
      newLine: typescript.NewLineKind.LineFeed,
      noImplicitUseStrict: true,
      sourceMap: true,
    },
  });
  return { javascript: outputText.replace(/\/\/# sourceMappingURL=.*\s*$/, ""), map: sourceMapText };
}

type Insert = (offset: number, text: string) => void;

const check = 'if (typeof $interrupt === "object" && $interrupt[0]) throw $stop; ';
/** Where the loop awaits, its cell may have been given up by then. */
const awaitingCheck = 'if (typeof $interrupt === "object" && ($interrupt[0] || $interrupted())) throw $stop; ';

function checkLoop(typescript: TypeScript, file: ts.SourceFile, loop: ts.IterationStatement, insert: Insert): void {
  const text = awaits(typescript, loop) ? awaitingCheck : check;
  if (typescript.isBlock(loop.statement)) insert(loop.statement.getStart(file) + 1, ` ${text}`);
  else {
    insert(loop.statement.getStart(file), `{ ${text}`);
    insert(loop.statement.end, " }");
  }
}

/** A function that queues microtasks can keep the process busy without a loop. */
function checkEntry(typescript: TypeScript, file: ts.SourceFile, node: ts.SignatureDeclaration, insert: Insert): void {
  const body = (node as ts.FunctionLikeDeclaration).body;
  if (body === undefined || !/\bawait\b|\.then\b|queueMicrotask|nextTick/.test(body.getText(file))) return;
  if (typescript.isBlock(body)) {
    const prologue = body.statements.find(
      (statement) => !(typescript.isExpressionStatement(statement) && typescript.isStringLiteral(statement.expression)),
    );
    if (prologue !== undefined) insert(prologue.getStart(file), check);
  }
}

function editCall(
  typescript: TypeScript,
  file: ts.SourceFile,
  call: ts.CallExpression,
  insert: Insert,
  edits: Edit[],
): void {
  const callee = call.expression;
  if (callee.kind === typescript.SyntaxKind.ImportKeyword) {
    const offset = callee.getStart(file);
    edits.push({ offset, removed: callee.end - offset, text: "$import" });
  } else if (
    typescript.isPropertyAccessExpression(callee) &&
    typescript.isIdentifier(callee.expression) &&
    callee.expression.text === "exports"
  ) {
    // A function of an earlier cell must not get the object of all variables as `this`.
    insert(callee.getStart(file), "(0, ");
    insert(callee.end, ")");
  }
}

/** Lists of `var` in loops and blocks: their variables are the whole cell's. */
function nestedVariables(typescript: TypeScript, file: ts.SourceFile): ts.VariableDeclarationList[] {
  const lists: ts.VariableDeclarationList[] = [];
  const search = (node: ts.Node): void => {
    if (typescript.isFunctionLike(node) || typescript.isClassLike(node)) return;
    const atTop = node.parent.parent === file && typescript.isVariableStatement(node.parent);
    if (typescript.isVariableDeclarationList(node) && (node.flags & typescript.NodeFlags.BlockScoped) === 0 && !atTop)
      lists.push(node);
    typescript.forEachChild(node, search);
  };
  typescript.forEachChild(file, search);
  return lists;
}

function declaresAtTop(typescript: TypeScript, file: ts.SourceFile, name: string): boolean {
  return file.statements.some((statement) =>
    typescript.isVariableStatement(statement)
      ? listNames(typescript, statement.declarationList.declarations).includes(name)
      : typescript.isFunctionDeclaration(statement) && statement.name?.text === name,
  );
}

/** Of `var a = 1, { b } = c` the assignments: `(a = 1, { b } = c)`. */
function assignInstead(
  typescript: TypeScript,
  file: ts.SourceFile,
  list: ts.VariableDeclarationList,
  edits: Edit[],
): void {
  const iterates = typescript.isForOfStatement(list.parent) || typescript.isForInStatement(list.parent);
  edits.push({ offset: list.getStart(file), removed: "var".length, text: iterates ? "" : "(" });
  if (!iterates) edits.push({ offset: list.declarations.end, removed: 0, text: ")" });
}

function isAwait(typescript: TypeScript, node: ts.Node): boolean {
  return typescript.isAwaitExpression(node) || (typescript.isForOfStatement(node) && node.awaitModifier !== undefined);
}

/** Whether a node awaits in its own function. */
function awaits(typescript: TypeScript, node: ts.Node): boolean {
  const search = (inner: ts.Node): boolean =>
    isAwait(typescript, inner) ||
    (!typescript.isFunctionLike(inner) && typescript.forEachChild(inner, search)) === true;
  return search(node);
}

function exportedNames(typescript: TypeScript, file: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  for (const statement of file.statements)
    if (
      typescript.isExportDeclaration(statement) &&
      statement.exportClause !== undefined &&
      typescript.isNamedExports(statement.exportClause)
    )
      for (const { name } of statement.exportClause.elements) names.add(name.text);
  return names;
}

function importedNames(typescript: TypeScript, statement: ts.ImportDeclaration): string[] {
  const clause = statement.importClause;
  const names = clause?.name === undefined ? [] : [clause.name.text];
  const bindings = clause?.namedBindings;
  if (bindings === undefined) return names;
  if (typescript.isNamespaceImport(bindings)) return [...names, bindings.name.text];
  return [...names, ...bindings.elements.map(({ name }) => name.text)];
}

function listNames(typescript: TypeScript, declarations: readonly ts.VariableDeclaration[]): string[] {
  return declarations.flatMap(({ name }) => boundNames(typescript, name));
}

function boundNames(typescript: TypeScript, name: ts.BindingName): string[] {
  if (typescript.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((element) =>
    typescript.isBindingElement(element) ? boundNames(typescript, element.name) : [],
  );
}
