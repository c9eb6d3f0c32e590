import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../support/fixtures";
import { KernelClient, result, stopKernels, type Content } from "./support/client";
import { temporaryFolder } from "./support/environment";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(stopKernels);

test("a hundred thousand lines printed in one go arrive complete, in order and in few messages", async () => {
  const answer = await kernel.execute("for (let i = 0; i < 100_000; i++) console.log(`line ${i}`);");
  const lines = kernel.text(answer).split("\n");
  expect(lines).toHaveLength(100_001);
  expect(lines.findIndex((line, i) => i < 100_000 && line !== `line ${i}`)).toBe(-1);
  expect(answer.outputs.length).toBeLessThan(2000);
});

test("thousands of displays in one go arrive complete and in order, and the cell ends", async () => {
  const { outputs, reply } = await kernel.execute(
    "import { display } from 'tslab';\nfor (let i = 0; i < 5000; i++) display.text(`display ${i}`);",
  );
  expect(reply["status"]).toBe("ok");
  expect(outputs.map(({ content }) => (content["data"] as Content)["text/plain"])).toEqual(
    Array.from({ length: 5000 }, (_, i) => `display ${i}`),
  );
});

test("a line of twenty megabytes arrives whole, in messages of one or two, no character split", async () => {
  const answer = await kernel.execute("console.log('x' + '😀'.repeat(10_000_000))");
  const pieces = answer.outputs.map(({ content }) => String(content["text"]));
  expect(kernel.text(answer).length).toBe(20_000_002);
  const wrong = pieces.filter((text) => text.length > 2_200_000 || /^[\udc00-\udfff]/.test(text));
  expect(wrong.map(({ length }) => length)).toEqual([]);
});

test("a line whose message would be longer than a string can be arrives whole", async () => {
  const answer = await kernel.execute("console.log('\\u0001'.repeat(100_000_000))"); // as JSON: six times as long
  expect(kernel.text(answer).length).toBe(100_000_001);
});

test.each([
  ["a line", ""],
  ["a flood of lines", "for (let i = 0; i < 5000; i++) console.log(i); "],
])("%s is seen while the cell is still running, also when it never waits", async (_, before) => {
  const { ended } = await kernel.begin(
    `${before}console.log('begun'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
  );
  await kernel.request("interrupt_request", {}, "control");
  expect((await ended).reply).toMatchObject({ ename: "Interrupted" });
});

test("a flood of text keeps its place among displays and the text of other streams", async () => {
  const { outputs } = await kernel.execute(
    `import { display } from "tslab";
     for (let i = 0; i < 300; i++) console.log(i);
     display.text("between");
     for (let i = 300; i < 600; i++) console.log(i);
     console.error("wrong");
     for (let i = 600; i < 900; i++) console.log(i);
     900`,
  );
  const said = outputs.map(({ content }) => content["text"] ?? (content["data"] as Content)["text/plain"]).join("");
  const lines = (from: number): string => Array.from({ length: 300 }, (_, i) => `${from + i}\n`).join("");
  expect(said).toBe(`${lines(0)}between${lines(300)}wrong\n${lines(600)}900`);
});

test("what a child process or the process's own descriptors write lands in the cell that caused it", async () => {
  const shell = await kernel.execute(
    "import { execSync } from 'node:child_process';\nexecSync('echo from the shell; echo oops >&2', { stdio: 'inherit' });",
  );
  const descriptor = await kernel.execute("import { writeSync } from 'node:fs';\nwriteSync(1, 'from fd 1: ünï\\n');");
  expect([kernel.text(shell), kernel.text(shell, "stderr")]).toEqual(["from the shell\n", "oops\n"]);
  expect(kernel.text(descriptor)).toBe("from fd 1: ünï\n");
});

test("what C code prints lands in the cell that caused it, complete lines or not", async () => {
  const folder = temporaryFolder();
  const addon = join(folder, "prints.node");
  const headers = join(root, "node_modules/node-api-headers/include");
  const source = join(__dirname, "support/prints.c");
  const undefinedSymbols = process.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : [];
  execFileSync(process.env["CC"] ?? "cc", [
    "-shared",
    "-fPIC",
    ...undefinedSymbols,
    "-I",
    headers,
    "-o",
    addon,
    source,
  ]);
  await kernel.execute(`const prints = require(${JSON.stringify(addon)});`);
  const first = await kernel.execute("prints.print('a line\\nand a part');");
  const second = await kernel.execute("console.log('of JavaScript');");
  expect([kernel.text(first), kernel.text(second)]).toEqual(["a line\nand a part", "of JavaScript\n"]);
});

test("late output goes to the cell that started it, not to the one that runs", async () => {
  const first = await kernel.execute(
    "setTimeout(() => { console.log('late'); display.text('late too'); }, 200);\nimport { display } from 'tslab';",
  );
  const second = await kernel.execute(
    "await new Promise((resolve) => setTimeout(resolve, 500)); console.log('second');",
  );
  expect(kernel.text(first)).toBe("late\n");
  expect(kernel.text(second)).toBe("second\n");
  const displays = kernel.published.filter(({ type }) => type === "display_data");
  expect(displays.at(-1)?.parent).toBe(first.id);
});

test("a value that draws itself is shown in all its forms", async () => {
  const { outputs } = await kernel.execute(
    "({ [Symbol.for('Jupyter.display')]: () => ({ 'text/plain': 'plain', 'text/html': '<b>rich</b>', 'image/png': new Uint8Array([1, 2, 3]) }) })",
  );
  expect(outputs[0]).toMatchObject({
    type: "execute_result",
    content: { data: { "text/plain": "plain", "text/html": "<b>rich</b>", "image/png": "AQID" } },
  });
});

test("a display can be changed, and the change says which one", async () => {
  const { outputs } = await kernel.execute(
    "import { newDisplay } from 'tslab';\nconst bar = newDisplay(); bar.html('0 %'); bar.html('100 %');",
  );
  expect(outputs.map(({ type }) => type)).toEqual(["display_data", "update_display_data"]);
  const ids = outputs.map(({ content }) => (content["transient"] as Content)["display_id"]);
  expect(typeof ids[0]).toBe("string");
  expect(ids[1]).toBe(ids[0]);
});

test("the API's cell host shows, updates and knows the cell's number", async () => {
  const { outputs, reply } = await kernel.execute(`
    const host = (globalThis as any)[Symbol.for("stateline.cellHost")];
    host.display({ "text/plain": "begin" }, "bar-1");
    host.update({ "text/plain": "end" }, "bar-1");
    host.cell`);
  expect(outputs.map(({ type }) => type)).toEqual(["display_data", "update_display_data", "execute_result"]);
  expect((outputs[2]?.content["data"] as Content)["text/plain"]).toBe(String(reply["execution_count"]));
});

test("a cell's output can be cleared at once, or when the next output is there", async () => {
  const { outputs } = await kernel.execute(
    "import { clearOutput } from 'stateline';\nconsole.log('gone'); clearOutput(); clearOutput({ wait: true }); console.log('stays');",
  );
  expect(outputs.map(({ type, content }) => [type, content["wait"] ?? content["text"]])).toEqual([
    ["stream", "gone\n"],
    ["clear_output", false],
    ["clear_output", true],
    ["stream", "stays\n"],
  ]);
});

test("a reply says when its cell began, how it ended and which cell of the notebook it was", async () => {
  const before = Date.now();
  const { metadata } = await kernel.execute("1", {}, { cellId: "cell-of-the-page" });
  expect(metadata).toEqual({ started: expect.any(String) as string, status: "ok", cellId: "cell-of-the-page" });
  expect(new Date(String(metadata["started"])).getTime()).toBeGreaterThanOrEqual(before);
  const [failed, aborted] = await Promise.all([kernel.execute("throw 1"), kernel.execute("2")]);
  expect([failed.metadata["status"], aborted.metadata["status"]]).toEqual(["error", "aborted"]);
});

test("silent code shows nothing and has no number", async () => {
  const before = (await kernel.execute("0")).reply["execution_count"];
  const { outputs, reply } = await kernel.execute("console.log('unseen'); 5", { silent: true });
  expect(outputs).toEqual([]);
  expect(reply).toMatchObject({ status: "ok", execution_count: before });
  expect((await kernel.execute("0")).reply["execution_count"]).toBe(Number(before) + 1);
});

test("user expressions are evaluated after the cell and show nothing", async () => {
  const { reply, outputs } = await kernel.execute("let amount = 20;", {
    user_expressions: { twice: "amount * 2", wrong: "no_such_name" },
  });
  expect(outputs).toEqual([]);
  expect(reply["user_expressions"]).toMatchObject({
    twice: { status: "ok", data: { "text/plain": "40" } },
    wrong: { status: "error", ename: "TypeScriptError" },
  });
});

test("cells behind a failed one are not run and say so as an error, unless asked otherwise", async () => {
  const [, second] = await Promise.all([
    kernel.execute("throw new Error('first')"),
    kernel.execute("console.log('ran')"),
  ]);
  expect(second.reply).toMatchObject({ status: "error", ename: "Aborted" });
  expect(kernel.text(second)).toBe("");
  const [, fourth] = await Promise.all([
    kernel.execute("throw new Error('third')", { stop_on_error: false }),
    kernel.execute("'ran'"),
  ]);
  expect(result(fourth)).toBe("'ran'");
});
