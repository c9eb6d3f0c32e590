/** Notebooks as nbclient runs them, under nbconvert --execute, papermill and Jupyter Book. */
import { join } from "node:path";
import { jupyterEnvironment, python } from "./support/environment";

interface Cell {
  readonly execution_count: number | null;
  readonly outputs: readonly Record<string, unknown>[];
}

interface Executed {
  readonly failed: string | null;
  readonly cells: readonly Cell[];
}

async function execute(cells: readonly { source: string; raises?: boolean }[]): Promise<Executed> {
  const script = join(__dirname, "support/execute_notebook.py");
  const { code, output } = await python([script], jupyterEnvironment(), JSON.stringify(cells));
  if (code !== 0) throw new Error(output);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Executed;
}

test("a notebook keeps execution counts, results, streams, displays and the errors it expects", async () => {
  const { failed, cells } = await execute([
    { source: "const greeting: string = 'hello';\nconsole.log(greeting);" },
    { source: "import { display } from 'tslab';\ndisplay.html('<b>bold</b>');\ngreeting.length" },
    { source: "throw new RangeError('expected');", raises: true },
    { source: "greeting + ' again'" },
  ]);
  expect(failed).toBeNull();
  expect(cells.map((cell) => cell.execution_count)).toEqual([1, 2, 3, 4]);
  expect(cells.map((cell) => cell.outputs.map((output) => output["output_type"]))).toEqual([
    ["stream"],
    ["display_data", "execute_result"],
    ["error"],
    ["execute_result"],
  ]);
  expect(cells[2]?.outputs[0]).toMatchObject({ ename: "RangeError", evalue: "expected" });
  expect(cells[3]?.outputs[0]).toMatchObject({ data: { "text/plain": "'hello again'" }, execution_count: 4 });
}, 120_000);

test("a notebook whose cell fails stops there and says why", async () => {
  const { failed, cells } = await execute([{ source: "1" }, { source: "let x: string = 1;" }, { source: "'not run'" }]);
  expect(failed).toBe("TypeScriptError");
  expect(cells[2]?.outputs).toEqual([]);
}, 120_000);
