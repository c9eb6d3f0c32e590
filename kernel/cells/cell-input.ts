/** `input(question)` in cells: a line of text from whoever sits before the notebook. */
import { currentCell } from "./cell-context";

/** Asks under the running cell. Rejects when the front end cannot ask, and when the cell is interrupted. */
export async function input(question = "", options: { readonly password?: boolean } = {}): Promise<string> {
  const cell = currentCell();
  if (cell === undefined) throw new Error("input works inside a cell only");
  return cell.input(String(question), options.password === true);
}

/** Makes `input` a name that every cell knows, unless it has one of its own (lib-additions.ts has the type). */
export function installInput(): void {
  Object.defineProperty(globalThis, "input", { configurable: true, writable: true, value: input });
}
