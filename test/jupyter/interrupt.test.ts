import { execFileSync } from "node:child_process";
import { tinyMamba } from "../support/fixtures";
import { KernelClient, result, stopKernels } from "./support/client";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
  await kernel.execute("let kept = 'kept';");
});
afterAll(stopKernels);

/** What keeps a cell busy. */
const busy: readonly (readonly [title: string, code: string])[] = [
  ["a loop without end", "while (true) {}"],
  ["a loop that counts", "let n = 0; for (;;) n += 1;"],
  ["a loop after an await", "await null; while (true) {}"],
  ["an await that never ends", "await new Promise(() => undefined);"],
  ["a loop of awaits", "while (true) await new Promise((resolve) => setTimeout(resolve, 1));"],
  ["a loop of microtasks", "async function again(): Promise<void> { await null; return again(); }\nawait again();"],
  [
    "microtasks that queue each other",
    "function more(): void { queueMicrotask(more); }\nmore(); await new Promise(() => undefined);",
  ],
  ["a loop in a timer", "setTimeout(() => { while (true) {} }, 10); await new Promise(() => undefined);"],
  ["a loop in a function of an earlier cell", "spin();"],
  [
    "a loop inside Node",
    "(function () { new RegExp('(a+)+$').test('a'.repeat(32)); })(); for (;;) JSON.stringify([1]);",
  ],
  ["a child process", "require('node:child_process').execSync('sleep 30');"],
];

test.each(busy)("%s is interrupted at once and the variables stay", async (_, code) => {
  await kernel.execute("function spin(): void { for (;;) {} }");
  const cell = kernel.execute(code);
  await new Promise((resolve) => setTimeout(resolve, 400));
  const start = performance.now();
  const { reply } = await kernel.request("interrupt_request", {}, "control");
  const answer = await cell;
  expect(reply).toEqual({ status: "ok" });
  expect(answer.reply).toMatchObject({ status: "error" });
  expect(performance.now() - start).toBeLessThan(1500);
  expect(result(await kernel.execute("kept"))).toBe("'kept'");
});

test("interrupts that come at any moment of cells, and in rows, cost no variable and stop no later cell", async () => {
  const cells = ["for (let i = 0; i < 2e6; i++);", "await null; while (true) {}", "while (true) {}", "1"];
  for (let round = 0; round < 40; round++) {
    const code = cells[round % cells.length] ?? "";
    const cell = kernel.execute(code);
    await new Promise((resolve) => setTimeout(resolve, round));
    await kernel.request("interrupt_request", {}, "control");
    // One that came before the cell had begun, while it was being compiled, counts as well.
    expect(["ok", "error"]).toContain((await cell).reply["status"]);
    const next = await kernel.execute("for (let i = 0; i < 1000; i++); kept");
    expect(next.reply).toMatchObject({ status: "ok" }); // shows the error otherwise
    expect(result(next)).toBe("'kept'");
  }
});

test("an interrupt when nothing runs harms nothing", async () => {
  await kernel.request("interrupt_request", {}, "control");
  expect(result(await kernel.execute("let sum = 0; for (let i = 0; i < 10; i++) sum += i; sum"))).toBe("45");
});

test("the cell's signal aborts when it is interrupted, so that engine calls stop", async () => {
  const cell = kernel.execute(`
    const { signal } = (globalThis as any)[Symbol.for("stateline.cellHost")];
    let reason = "none";
    signal.addEventListener("abort", () => (reason = signal.reason.name));
    console.log("begun");
    await new Promise(() => undefined);`);
  await kernel.until(() => kernel.published.some(({ content }) => content["text"] === "begun\n"));
  await kernel.request("interrupt_request", {}, "control");
  expect((await cell).reply).toMatchObject({ ename: "Interrupted", evalue: "the cell was interrupted" });
  expect(result(await kernel.execute("reason"))).toBe("'Interrupted'");
});

test("a generation stops within a step when its cell is interrupted, and the model goes on", async () => {
  await kernel.execute(`import { loadModel } from "stateline";
    const model = await loadModel(${JSON.stringify(tinyMamba)}, { tensorParallel: 2 });`);
  const cell = kernel.execute('await model.generate("The", { maxNewTokens: 1_000_000 });');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const start = performance.now();
  await kernel.request("interrupt_request", {}, "control");
  expect((await cell).reply).toMatchObject({ ename: "Interrupted" });
  expect(performance.now() - start).toBeLessThan(1000);
  expect(result(await kernel.execute('(await model.generate("The", { maxNewTokens: 5 })).tokens.length'))).toBe("5");
});

test("a cell that cannot be interrupted is ended after a while, and says so", async () => {
  const cell = kernel.execute("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000); for (;;) {}");
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Atomics.wait is broken by SIGINT; a process that has stopped is not.
  const pid = kernel.process.pid ?? 0;
  const worker = childrenOf(pid)[0] ?? 0;
  process.kill(worker, "SIGSTOP");
  await kernel.request("interrupt_request", {}, "control");
  const { reply } = await cell;
  expect(reply).toMatchObject({ ename: "WorkerDied" });
  expect(String(reply["evalue"])).toContain("did not stop within 5 s of being interrupted");
  expect(result(await kernel.execute("1 + 1"))).toBe("2");
});

function childrenOf(pid: number): number[] {
  const text = execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return text.trim().split(/\s+/).map(Number);
}
