/** `stateline notebook run`: a notebook executed without Jupyter is what Jupyter would have made of it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli, cliJson, finished, startCli } from "../support/cli";
import { root, temporaryFolder } from "../support/fixtures";
import { jupyterEnvironment, python } from "../jupyter/support/environment";

interface Output {
  readonly output_type: string;
  readonly [field: string]: unknown;
}
interface Cell {
  readonly cell_type: string;
  readonly source: string | string[];
  readonly execution_count?: number | null;
  readonly outputs?: readonly Output[];
}
interface Notebook {
  readonly cells: readonly Cell[];
}

type Source = string | { readonly markdown: string } | { readonly code: string; readonly tags: readonly string[] };

const cellOf = (source: Source, index: number): object => {
  const base = { id: `cell-${index}`, metadata: {} };
  if (typeof source !== "string" && "markdown" in source)
    return { ...base, cell_type: "markdown", source: source.markdown };
  const code = typeof source === "string" ? { code: source, tags: [] } : source;
  return {
    ...base,
    cell_type: "code",
    metadata: { tags: code.tags },
    source: code.code.match(/[^\n]*\n|[^\n]+$/g) ?? [],
    execution_count: null,
    outputs: [],
  };
};

function writeNotebook(cells: readonly Source[], metadata: object = {}): { folder: string; path: string; out: string } {
  const folder = temporaryFolder();
  const path = join(folder, "in.ipynb");
  writeFileSync(path, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells: cells.map(cellOf) }));
  return { folder, path, out: join(folder, "out.ipynb") };
}

const read = (path: string): Notebook => JSON.parse(readFileSync(path, "utf8")) as Notebook;

const tour: readonly Source[] = [
  { markdown: "# A title\n\nand *text*" },
  "const greeting: string = 'hello';\nconsole.log(greeting);\nconsole.log('again');",
  "import { display, newDisplay } from 'tslab';\ndisplay.html('<b>bold</b>');\nconst bar = newDisplay();\nbar.text('10 %');",
  "bar.text('100 %');\nconsole.error('careful');\ngreeting.length",
  { code: "throw new RangeError('expected');", tags: ["raises-exception"] },
  "console.log('gone'); console.clear(); console.log('stays');",
  "",
];

test("outputs, counts and the file itself are those that nbclient makes with the same kernel", async () => {
  const { path, out, folder } = writeNotebook(tour);
  const { code, stdout, stderr } = await cli(["notebook", "run", path, "-o", out]);
  expect([code, stderr]).toEqual([0, expect.stringMatching(/RangeError.*: expected/)]);
  expect(stdout).toContain("hello\nagain\n");
  const reference = join(folder, "reference.ipynb");
  const script = [
    "import nbformat, sys",
    "from nbclient import NotebookClient",
    "nbformat.validate(nbformat.read(sys.argv[2], as_version=4))",
    "notebook = nbformat.read(sys.argv[1], as_version=4)",
    "NotebookClient(notebook, kernel_name='stateline', timeout=60, record_timing=False).execute()",
    "nbformat.write(notebook, sys.argv[3])",
  ].join("\n");
  const { code: status, output } = await python(["-c", script, path, out, reference], jupyterEnvironment());
  expect([status, output]).toEqual([0, expect.any(String)]);
  expect(read(out).cells).toEqual(read(reference).cells);
}, 120_000);

test("the page stands alone, shows text, code and the richest outputs, and escapes what is text", async () => {
  const { path, folder } = writeNotebook([...tour, "'<script>alert(1)</script>' // a & b"]);
  const html = join(folder, "page.html");
  expect((await cli(["notebook", "run", path, "--html", html])).code).toBe(0);
  const page = readFileSync(html, "utf8");
  expect(page).toContain("<title>A title</title>");
  expect(page).toContain("and <em>text</em>");
  expect(page).toContain("<b>bold</b>");
  expect(page).toContain('<span class="keyword">const</span> greeting');
  expect(page).toContain("<pre>100 %</pre>");
  expect(page).toContain("&#39;&lt;script&gt;alert(1)&lt;/script&gt;&#39;");
  expect(page).not.toMatch(/<script|https?:\/\//);
});

test("a cell that fails ends the run with one line; what ran before is written", async () => {
  const { path, out } = writeNotebook(["1 + 1", "throw new Error('no')", "'not run'"]);
  const { code, stderr } = await cli(["notebook", "run", path, "-o", out]);
  expect(code).toBe(1);
  expect(stderr).toContain(`cell 2 of ${path} failed: Error: no (E_CELL_FAILED)`);
  expect(read(out).cells.map(({ execution_count: count }) => count)).toEqual([1, 2, null]);
  const allowed = await cliJson<{ cells: number; failure: unknown }>(["notebook", "run", path, "--allow-errors"]);
  expect(allowed).toMatchObject({ cells: 3, failure: null });
});

test("a cell that takes too long is interrupted", async () => {
  const { path } = writeNotebook(["await new Promise(() => undefined);"]);
  const { code, stderr } = await cli(["notebook", "run", path, "--timeout", "1"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("failed: Interrupted: the cell was interrupted")]);
});

test("Ctrl+C interrupts the cell, writes what there is and ends with 130", async () => {
  const { path, out } = writeNotebook(["console.log('begun'); for (;;) {}", "'never'"]);
  const child = startCli(["notebook", "run", path, "-o", out]);
  const end = finished(child);
  await new Promise<void>((resolve) => child.stdout.on("data", () => resolve()));
  child.kill("SIGINT");
  expect((await end).code).toBe(130);
  expect(read(out).cells[0]?.outputs?.map(({ output_type: type }) => type)).toEqual(["stream", "error"]);
});

test.each([
  ["not there", undefined, "E_NOTEBOOK_UNREADABLE"],
  ["not JSON", "{", "E_NOTEBOOK_UNREADABLE"],
  ["not a notebook", "[]", "E_NOTEBOOK_UNREADABLE"],
  ["of an old format", '{"nbformat": 3, "worksheets": []}', "open it in Jupyter and save it anew"],
  ["without cells", '{"nbformat": 4, "cells": [1]}', "E_NOTEBOOK_UNREADABLE"],
  [
    "in another language",
    '{"nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}, "cells": []}',
    "is written in python; this kernel runs TypeScript (E_NOTEBOOK_LANGUAGE)",
  ],
])("a notebook that is %s is refused", async (_, text, message) => {
  const path = join(temporaryFolder(), "bad.ipynb");
  if (text !== undefined) writeFileSync(path, text);
  const { code, stderr } = await cli(["notebook", "run", path]);
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
});

test("parameters override those of the notebook, in a cell of their own that a second run replaces", async () => {
  const { path, out } = writeNotebook([
    { code: "const ranks = 1;\nconst label = 'none';", tags: ["parameters"] },
    "[ranks * 2, label, typeof ranks]",
  ]);
  const run = (
    source: string,
    ...parameters: string[]
  ): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    cli(["notebook", "run", source, "-o", out, ...parameters.flatMap((text) => ["-p", text])]);
  expect((await run(path, "ranks=4", "label=a = b")).stdout).toContain("[ 8, 'a = b', 'number' ]");
  expect((await run(out, 'label="5"')).stdout).toContain("[ 2, '5', 'number' ]");
  expect(read(out).cells.map(({ source }) => [source].flat().join(""))).toEqual([
    "const ranks = 1;\nconst label = 'none';",
    'let label = "5";',
    "[ranks * 2, label, typeof ranks]",
  ]);
  expect(await run(path, "no name=1")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("is not name=value") as unknown,
  });
  expect(await run(writeNotebook(["1"]).path, "ranks=4")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('no cell tagged "parameters"') as unknown,
  });
});

test("cells run in the notebook's folder and find what the notebook's own folder has", async () => {
  const { path, folder } = writeNotebook(["import { there } from './beside';\n[there, process.cwd()]"]);
  writeFileSync(join(folder, "beside.ts"), "export const there: string = 'found';\n");
  const { stdout } = await cli(["notebook", "run", path], { cwd: root });
  expect(stdout).toContain(`[ 'found', '${folder}' ]`);
});
