/** The call that a position stands in: while its arguments are typed, a notebook's help is about what is called. */
import type * as ts from "@tslab/typescript-for-tslab";
import type { TypeScript } from "./tslab-compiler";

/** End of the callee's name of the innermost call whose brackets `offset` is in; undefined outside of calls. */
export function enclosingCallee(typescript: TypeScript, source: string, offset: number): number | undefined {
  const file = typescript.createSourceFile("cell.ts", source, typescript.ScriptTarget.Latest);
  const search = (node: ts.Node): number | undefined =>
    typescript.forEachChild(node, search) ??
    (isInBrackets(typescript, source, node, offset) ? node.expression.end : undefined);
  return search(file);
}

function isInBrackets(
  typescript: TypeScript,
  source: string,
  node: ts.Node,
  offset: number,
): node is ts.CallExpression | ts.NewExpression {
  if (!typescript.isCallExpression(node) && !typescript.isNewExpression(node)) return false;
  if (node.arguments === undefined || offset < node.arguments.pos) return false;
  return offset < node.end || source[node.end - 1] !== ")"; // a bracket that is still to be typed
}
