/** Magics: what the first lines of a cell can ask for besides TypeScript. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readMagics } from "../../kernel/cells/magics";
import { KernelClient, result, stopKernels, traceback, type Answer, type Content } from "../jupyter/support/client";
import { temporaryFolder } from "../jupyter/support/environment";
import { root } from "../support/fixtures";

const folder = temporaryFolder();
let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start({ cwd: folder });
});
afterAll(stopKernels);

/** MIME bundles that a cell displayed, but for the bars of progress that slow work shows. */
const displays = ({ outputs }: Answer): Content[] =>
  outputs
    .filter(({ type }) => type === "display_data")
    .map(({ content }) => content["data"] as Content)
    .filter((data) => !/█|░/.test(String(data["text/plain"])));

test("%%profile records the cell's engine work and shows run, timeline and summary under it", async () => {
  const model = JSON.stringify(join(root, "models/tiny-mamba"));
  await kernel.execute(
    `import * as stateline from "stateline";\nconst model = await stateline.loadModel(${model}, { tensorParallel: 2, threadsPerRank: 1 });`,
  );
  const cell = await kernel.execute(
    "%%profile a label of mine\nconst said = await model.generate('The', { maxNewTokens: 4 });\nsaid.tokens.length",
  );
  expect(result(cell)).toBe("4");
  const [run, timeline, summary] = displays(cell);
  expect(run?.["text/plain"]).toContain("a label of mine");
  const svg = String(timeline?.["image/svg+xml"]);
  expect(svg).toContain("timeline of 2 ranks");
  // JupyterLab drops an inline SVG.
  expect(timeline?.["text/html"]).toMatch(/^<img alt="timeline of [^"]+" [^>]*>$/);
  expect(timeline?.["text/html"]).toContain(`src="data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}"`);
  expect(summary?.["text/plain"]).toContain("state_update");
  expect(readdirSync(join(folder, "runs"))).toHaveLength(1);
  expect(result(await kernel.execute("said.tokens.length"))).toBe("4");
});

test("%%profile says so when the engine did nothing", async () => {
  expect(kernel.text(await kernel.execute("%%profile\n1 + 1"))).toContain("the engine did nothing in this cell");
});

test("%%profile of a cell that fails shows the cell's own error", async () => {
  expect((await kernel.execute("%%profile\nthrow new RangeError('mine')")).reply).toMatchObject({
    ename: "RangeError",
    evalue: "mine",
  });
});

test("%%time says how long the cell took, and magics can be stacked", async () => {
  const cell = await kernel.execute("%%time\n%%profile\nawait new Promise((done) => setTimeout(done, 120));\n'value'");
  expect(result(cell)).toBe("'value'");
  const [, text = "", unit] = /Wall time: ([\d.]+) (ms|s), processor: /.exec(kernel.text(cell)) ?? [];
  expect(Number(text) * (unit === "s" ? 1000 : 1)).toBeGreaterThanOrEqual(119);
});

test("under a magic, types are checked and errors have the lines of the cell", async () => {
  const wrong = await kernel.execute("%%time\nlet n: number = 'text';");
  expect(wrong.reply["evalue"]).toBe("2:5 Type 'string' is not assignable to type 'number'. (TS2322)");
  expect(traceback(await kernel.execute("%%time\n\nthrow new Error('x');"))).toContain(":3:7");
});

test("%%bash runs a script in the notebook's folder, its output is the cell's", async () => {
  const cell = await kernel.execute("%%bash\nfor i in 1 2; do echo $i ü; done\npwd\necho oops >&2");
  expect(kernel.text(cell)).toBe(`1 ü\n2 ü\n${folder}\n`);
  expect(kernel.text(cell, "stderr")).toBe("oops\n");
  expect((await kernel.execute("%%bash\nexit 3")).reply).toMatchObject({
    ename: "BashError",
    evalue: "bash ended with exit code 3",
  });
});

test("%%bash is interrupted with all it has started", async () => {
  const cell = kernel.execute("%%bash\necho started\nsleep 600 & sleep 600");
  await kernel.until(() => kernel.published.some(({ content }) => content["text"] === "started\n"));
  await kernel.request("interrupt_request", {}, "control");
  expect((await cell).reply).toMatchObject({ status: "error", ename: "Interrupted" });
});

test("%help lists the magics", async () => {
  expect(result(await kernel.execute("%help"))).toMatch(/%%profile \[label\].*\n%%time.*\n%%bash.*\n%help/);
});

test.each([
  ["%%pandas\n1", "there is no magic %%pandas; there are %%profile [label], %%time, %%bash, %help"],
  ["%time 1 + 1", "there is no magic %time; there are %%profile [label], %%time, %%bash, %help"],
  ["%%time now\n1", "%%time takes no argument"],
  ["%%time\n%%bash\nls", "%%bash stands alone: no other magic goes before it"],
])("%j is refused with what there is", async (code, evalue) => {
  expect((await kernel.execute(code)).reply).toMatchObject({ status: "error", ename: "MagicError", evalue });
});

test("magics are completed, explained, and leave positions behind them as they are", async () => {
  const complete = async (code: string): Promise<Content> =>
    (await kernel.request("complete_request", { code, cursor_pos: code.length })).reply;
  expect(await complete("%%p")).toMatchObject({ matches: ["%%profile"], cursor_start: 0, cursor_end: 3 });
  expect(await complete("%%time\nMath.sq")).toMatchObject({ matches: ["sqrt"], cursor_start: 12, cursor_end: 14 });
  expect(await complete("%%bash\nMath.sq")).toMatchObject({ matches: [] });
  expect(await complete("const m = 5; m %")).not.toMatchObject({ matches: ["%%profile"] });
  const inspect = async (code: string): Promise<unknown> =>
    ((await kernel.request("inspect_request", { code, cursor_pos: 3, detail_level: 0 })).reply["data"] as Content)[
      "text/plain"
    ];
  expect(await inspect("%%profile x\n1")).toContain("timeline and summary");
});

test.each([
  ["%%time", "incomplete"],
  ["%%time\nlet x = 1;", "complete"],
  ["%%time\nfor (;;) {", "incomplete"],
  ["%%bash\nls", "incomplete"],
  ["%%bash\nls\n\n", "complete"],
  ["%help", "complete"],
])("a console takes %j as %s", async (code, status) => {
  expect((await kernel.request("is_complete_request", { code })).reply).toMatchObject({ status });
});

test("TypeScript without magics is not touched", () => {
  for (const source of ["a % b", "// a comment\n%%time", "\n\nlet x = 5\n%%time", "`\n%%bash\n`"])
    expect(readMagics(source)).toEqual({ kind: "typescript", source, magics: [] });
});
