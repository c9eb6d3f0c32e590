/** A notebook that is used for days: what is over must not stay in memory. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { CompiledCell } from "../../kernel/cells/compiled-cell";
import { errorReport, installStackTraces, registerCell } from "../../kernel/cells/traceback";
import { KernelClient, result, stopKernels } from "../jupyter/support/client";
import { temporaryFolder } from "../jupyter/support/environment";
import { root } from "../support/fixtures";

afterAll(stopKernels);

test("values, errors and signals of cells that are over are collected", async () => {
  const kernel = await KernelClient.start();
  await kernel.execute(
    "const { queryObjects } = require('node:v8');\nclass Held extends Error {}\nlet replaced: unknown;\nconst signals = () => queryObjects(AbortSignal, { format: 'count' }) as unknown as number;",
  );
  const signals = Number(result(await kernel.execute("signals()")));
  const cells = [
    "new Held()",
    "throw new Held()",
    "replaced = new Held();",
    "await Promise.resolve(new Held())",
    "setTimeout(() => new Held(), 1);",
    "console.log(new Held())",
  ];
  for (let i = 0; i < 30; i++) await kernel.execute(cells[i % cells.length] ?? "", { stop_on_error: false });
  await kernel.execute("replaced = undefined;");
  expect(result(await kernel.execute("queryObjects(Held, { format: 'count' })"))).toBe("0");
  expect(Number(result(await kernel.execute("signals()")))).toBe(signals);
});

test("the compiler keeps nothing of the programs that earlier cells were checked in", () => {
  const program = `
    const { CellCompiler } = require(${JSON.stringify(join(root, "dist/kernel/cells/compiler.js"))});
    const compiler = new CellCompiler(process.cwd(), "error");
    const cells = [
      (i) => "let v" + i % 3 + " = { a: " + i + " };",
      (i) => "console.log(" + i + ")",
      (i) => "import * as path from 'node:path'; path.join('a', '" + i + "')",
      (i) => "throw new Error('" + i + "')",
      (i) => "const wrong: number = 'text " + i + "';",
      (i) => "interface I { x" + i + ": number }\\nclass C { y = " + i + " }",
    ];
    const run = (from, to) => {
      for (let i = from; i < to; i++) compiler.compile(cells[i % cells.length](i), true);
      gc();
      return process.memoryUsage().heapUsed;
    };
    const before = run(0, 24);
    console.log((run(24, 72) - before) / 48);`;
  const grown = execFileSync(process.execPath, ["--expose-gc", "-e", program], {
    cwd: temporaryFolder(),
    encoding: "utf8",
  });
  // A program's checker alone is some megabytes; 3 kB a cell were seen over 1000 cells.
  expect(Number(grown)).toBeLessThan(200_000);
});

test("places are told of the latest cells; those of very many cells before them are forgotten", () => {
  installStackTraces();
  const cell = (source: string): CompiledCell => ({
    source,
    javascript: "",
    hasAwait: false,
    imports: [],
    sideModules: [],
    magics: [],
    literals: [],
    maps: { code: "", edits: [], module: "", prefixLines: 1 },
  });
  const thrownIn = (name: string): string => {
    const error = Object.assign(new Error("wrong"), { stack: `Error: wrong\n    at ${name}:1:1` });
    return errorReport(error).traceback.join("\n");
  };
  registerCell("In[1]", cell("first line"));
  expect(thrownIn("In[1]")).toContain("first line");
  for (let i = 2; i <= 5; i++) registerCell(`In[${i}]`, cell("x".repeat(10_000_000)));
  registerCell("In[6]", cell("latest line"));
  expect(thrownIn("In[6]")).toContain("latest line");
  expect(thrownIn("In[1]")).toContain("at In[1]:1:1");
  expect(thrownIn("In[1]")).not.toContain("first line");
  registerCell("In[7]", cell(`${"x".repeat(999)}\u00fc`));
  expect(thrownIn("In[7]").length).toBeLessThan(500); // of a long line a part
});
