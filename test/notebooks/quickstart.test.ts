/** Tutorials are promises: each runs from top to bottom in real Jupyter with the real kernel, and shows what it says it shows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../support/fixtures";
import { jupyterEnvironment, python, temporaryFolder } from "../jupyter/support/environment";

interface Output {
  readonly output_type: string;
  readonly name?: string;
  readonly text?: string | string[];
  readonly evalue?: string;
  readonly data?: Record<string, string | string[]>;
}
interface Cell {
  readonly cell_type: string;
  readonly execution_count?: number | null;
  readonly source: string | string[];
  readonly outputs?: Output[];
}

const joined = (text: string | string[] | undefined): string => (Array.isArray(text) ? text.join("") : (text ?? ""));

function codeCells(path: string): Cell[] {
  const { cells } = JSON.parse(readFileSync(path, "utf8")) as { cells: Cell[] };
  return cells.filter((cell) => cell.cell_type === "code");
}

/** Everything of one MIME type that the cells show. */
const shown = (cells: readonly Cell[], type: string): string =>
  cells
    .flatMap((cell) => cell.outputs ?? [])
    .map((output) => joined(output.data?.[type]))
    .join("\n");

const notebook = join(root, "notebooks/01-quickstart.ipynb");

/** What a reader must find in the notebook, fresh or as committed. */
function expectTour(cells: readonly Cell[]): void {
  const outputs = cells.flatMap((cell) => cell.outputs ?? []);
  expect(outputs.filter((output) => output.output_type === "error")).toEqual([]);
  expect(cells.map((cell) => cell.execution_count)).toEqual(cells.map((_, index) => index + 1));
  const plain = shown(cells, "text/plain");
  expect(plain).toContain("in_proj");
  expect(plain).toMatch(/perplexity .*100 %/);
  expect(plain).toMatch(/perplexity: f16 AllReduce \d+\.\d+, int8 \d+\.\d+/);
  expect(plain).not.toContain("Promise {");
  const html = shown(cells, "text/html");
  expect(html).toContain('src="data:image/svg+xml;base64,'); // JupyterLab drops an inline SVG
  expect(html).not.toContain("<svg");
  expect(html).toContain("AllReduce");
  expect(html).not.toContain("<script");
  expect(outputs.some((output) => output.output_type === "stream" && output.name === "stdout")).toBe(true);
}

test("the quickstart notebook runs through nbconvert with the real kernel", async () => {
  const out = join(temporaryFolder(), "quickstart.ipynb");
  const env = { ...jupyterEnvironment(), STATELINE_RUNS: temporaryFolder() };
  const { code, output } = await python(
    ["-m", "nbconvert", "--to", "notebook", "--execute", notebook, "--output", out],
    env,
  );
  expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
  expectTour(codeCells(out));
}, 180_000);

test("the quickstart notebook is committed with its outputs", () => {
  expectTour(codeCells(notebook));
});
