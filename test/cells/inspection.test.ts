/** Hovering, `name?` and completion: the notebook knows the types and the documentation of what is typed. */
import { KernelClient, stopKernels, type Content } from "../jupyter/support/client";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
  await kernel.execute('import * as stateline from "stateline";\nimport { loadModel, profile } from "stateline";');
  await kernel.execute("/** Doubles a number. */\nfunction twice(x: number): number { return 2 * x; }");
});
afterAll(stopKernels);

async function inspect(code: string, detailLevel = 0): Promise<Content | undefined> {
  const { reply } = await kernel.request("inspect_request", {
    code,
    cursor_pos: [...code].length,
    detail_level: detailLevel,
  });
  return reply["found"] === true ? (reply["data"] as Content) : undefined;
}

test("our own API is explained with its signature, its errors and an example", async () => {
  for (const code of ["stateline.loadModel", "loadModel", "await loadModel("]) {
    const data = await inspect(code);
    expect(String(data?.["text/plain"])).toMatch(
      /loadModel\(directory: string, options\?: (?:stateline\.)?LoadOptions\): Promise<(?:stateline\.)?Model>\n\nLoads a model/,
    );
  }
  const data = await inspect("profile");
  expect(data?.["text/markdown"]).toContain("Records everything the ranks of all open models");
  expect(data?.["text/markdown"]).toContain("E_RUNS_NOT_WRITABLE");
  expect(data?.["text/markdown"]).toContain("```typescript\nconst run = await profile(");
});

test("a module that was imported as a whole shows what it has", async () => {
  const text = String((await inspect("stateline"))?.["text/plain"]);
  for (const name of ["loadModel", "profile", "compare", "openRun", "doctor"]) expect(text).toContain(`\`${name}\``);
});

test("functions of earlier cells, Node's and the language's own are explained", async () => {
  expect((await inspect("twice"))?.["text/plain"]).toBe("function twice(x: number): number\n\nDoubles a number.");
  expect((await inspect("Math.max"))?.["text/plain"]).toContain("Returns the larger of a set of");
  expect(await inspect("no_such_name")).toBeUndefined();
});

test("completion after a dot gives names with their kinds", async () => {
  const code = "stateline.loadM";
  const { reply } = await kernel.request("complete_request", { code, cursor_pos: code.length });
  expect(reply["matches"]).toEqual(["loadModel"]);
  expect((reply["metadata"] as Content)["_jupyter_types_experimental"]).toEqual([
    { text: "loadModel", type: "alias", start: 10, end: 15 },
  ]);
  const options = "await loadModel('x', { tensorP";
  const inObject = await kernel.request("complete_request", { code: options, cursor_pos: options.length });
  expect(inObject.reply["matches"]).toEqual(["tensorParallel"]);
});

/** What a completion makes of the code with its first match, the cursor behind it. */
async function completed(code: string): Promise<string> {
  const { reply } = await kernel.request("complete_request", { code, cursor_pos: [...code].length });
  const [first] = reply["matches"] as string[];
  if (first === undefined) return code;
  const points = [...code];
  return `${points.slice(0, Number(reply["cursor_start"])).join("")}${first}${points.slice(Number(reply["cursor_end"])).join("")}`;
}

test("completion takes the place of what is typed: in strings, import paths, object literals, behind emoji", async () => {
  await kernel.execute("const record = { alpha: 1, 'beta-x': 2 };");
  for (const [typed, expected] of [
    ["import fs from 'node:f", "import fs from 'node:fs"],
    ["import fs from 'fs/prom", "import fs from 'fs/promises"],
    ["record['bet", "record['beta-x"],
    ["record['", "record['alpha"],
    ["'😀 e\u0301'; record.al", "'😀 e\u0301'; record.alpha"],
    ["`${record.al", "`${record.alpha"],
    ["await loadModel('x', { tensorP", "await loadModel('x', { tensorParallel"],
    ["// record.al", "// record.al"],
  ] as const)
    expect(await completed(typed)).toBe(expected);
});

test("inside a call's brackets the help is about what is called", async () => {
  for (const code of ["twice(1", "twice(", "Math.max(3, twice( 4"])
    expect((await inspect(code))?.["text/plain"]).toContain("function twice(x: number): number");
  expect((await inspect("await stateline.loadModel('../models/tiny"))?.["text/plain"]).toContain("Loads a model");
  expect((await inspect("new Map([[1, 2"))?.["text/plain"]).toContain("Map");
});
