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
  readonly data?: Record<string, string | string[] | Readonly<Record<string, unknown>>>;
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
    .map((output) => output.data?.[type])
    .map((data) => (typeof data === "object" && !Array.isArray(data) ? JSON.stringify(data) : joined(data)))
    .join("\n");

/** What a reader must find in a notebook, fresh or as committed. */
function expectWhole(cells: readonly Cell[]): void {
  const outputs = cells.flatMap((cell) => cell.outputs ?? []);
  expect(outputs.filter((output) => output.output_type === "error")).toEqual([]);
  expect(cells.map((cell) => cell.execution_count)).toEqual(cells.map((_, index) => index + 1));
  expect(outputs.some((output) => output.output_type === "stream" && output.name === "stdout")).toBe(true);
  expect(shown(cells, "text/plain")).not.toContain("Promise {");
  expect(shown(cells, "text/html")).not.toMatch(/<script|<svg/); // JupyterLab drops both
}

const tutorials: readonly (readonly [file: string, expectContent: (cells: readonly Cell[]) => void])[] = [
  [
    "01-quickstart.ipynb",
    (cells) => {
      const plain = shown(cells, "text/plain");
      expect(plain).toContain("in_proj");
      expect(plain).toMatch(/perplexity .*100 %/);
      expect(plain).toMatch(/perplexity: f16 AllReduce \d+\.\d+, int8 \d+\.\d+/);
      const html = shown(cells, "text/html");
      expect(html).toContain('src="data:image/svg+xml;base64,');
      expect(html).toContain("AllReduce");
    },
  ],
  [
    "02-states.ipynb",
    (cells) => {
      const plain = shown(cells, "text/plain");
      expect(plain.match(/the same texts?: \w+/g)).toEqual(["the same text: true", "the same texts: true"]);
      expect(plain).toMatch(/prompt tokens +\d+ reused/);
      const said = cells.flatMap((cell) => cell.outputs ?? []).map((output) => joined(output.text));
      const known = [...said.join("").matchAll(/(\d+) of (\d+) tokens known/g)];
      const [cold, warm, again] = known.map(([, some, all]) => Number(some) / Number(all));
      expect(known).toHaveLength(3);
      expect(cold).toBeLessThan(0.1);
      expect(Math.min(warm ?? 0, again ?? 0)).toBeGreaterThan(0.9);
      expect(shown(cells, "application/vnd.plotly.v1+json")).toContain("in_proj");
    },
  ],
  [
    "03-tensor-parallelism.ipynb",
    (cells) => {
      const plain = shown(cells, "text/plain");
      const bytes = (wire: string): number =>
        Number(new RegExp(`all_reduce\\.out_proj +${wire} +\\d+ +(\\d+)`).exec(plain)?.[1]);
      expect(bytes("int8") / bytes("f32")).toBeCloseTo(0.258, 3);
      const perplexity = /perplexity ([\d.]+) in f32, ([\d.]+) in int8/.exec(plain)?.slice(1).map(Number);
      const [before = 0, after = 0] = perplexity ?? [];
      expect(Math.abs(after / before - 1)).toBeLessThan(0.005);
      expect(plain).toMatch(
        /auto: (no narrower type sums faster|\S+ sums \S+ faster or more from .* on), measured here on/,
      );
      expect(plain).toMatch(/ 8 +2 ranks, int8 .*×/);
      expect(plain).toContain("the same text: true");
      expect(shown(cells, "application/vnd.plotly.v1+json")).toContain("quantising");
    },
  ],
];

test.each(tutorials)(
  "%s runs through nbconvert with the real kernel",
  async (file, expectContent) => {
    const out = join(temporaryFolder(), file);
    const env = { ...jupyterEnvironment(), STATELINE_RUNS: temporaryFolder() };
    const { code, output } = await python(
      ["-m", "nbconvert", "--to", "notebook", "--execute", join(root, "notebooks", file), "--output", out],
      env,
    );
    expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
    expectWhole(codeCells(out));
    expectContent(codeCells(out));
  },
  180_000,
);

test.each(tutorials)("%s is committed with its outputs", (file, expectContent) => {
  const cells = codeCells(join(root, "notebooks", file));
  expectWhole(cells);
  expectContent(cells);
});
