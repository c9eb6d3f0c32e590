import { tinyMamba } from "../support/fixtures";
import { childrenOf, temporaryFolder } from "./support/environment";
import { KernelClient, result, stopKernels } from "./support/client";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
  await kernel.execute("let kept = 'kept';");
});
afterAll(stopKernels);

/** What keeps a cell busy, once it has said that it has begun. */
const busy: readonly (readonly [title: string, code: string])[] = [
  ["a loop without end", "begun(); while (true) {}"],
  ["a loop that counts", "begun(); let n = 0; for (;;) n += 1;"],
  ["a loop after an await", "await null; begun(); while (true) {}"],
  ["an await that never ends", "begun(); await new Promise(() => undefined);"],
  ["a loop of awaits", "begun(); while (true) await new Promise((resolve) => setTimeout(resolve, 1));"],
  [
    "a loop of microtasks",
    "async function again(): Promise<void> { await null; return again(); }\nbegun(); await again();",
  ],
  [
    "microtasks that queue each other",
    "function more(): void { queueMicrotask(more); }\nbegun(); more(); await new Promise(() => undefined);",
  ],
  ["a loop in a timer", "setTimeout(() => { begun(); while (true) {} }, 10); await new Promise(() => undefined);"],
  ["a loop in a function of an earlier cell", "begun(); spin();"],
  [
    "a loop inside Node",
    "begun(); (function () { new RegExp('(a+)+$').test('a'.repeat(32)); })(); for (;;) JSON.stringify([1]);",
  ],
  ["a loop that prints", "begun(); for (;;) console.log('x'.repeat(10_000));"],
  ["a child process", "require('node:child_process').execSync('echo begun; exec sleep 60', { stdio: 'inherit' });"],
];

test.each(busy)("%s is interrupted; the variables stay and later cells are heard", async (_, code) => {
  await kernel.execute("function spin(): void { for (;;) {} }\nfunction begun(): void { console.log('begun'); }");
  const { ended } = await kernel.begin(code);
  const { reply } = await kernel.request("interrupt_request", {}, "control");
  expect(reply).toEqual({ status: "ok" });
  // One that goes on for 5 s is ended with its process: the variables would be gone.
  expect((await ended).reply).toMatchObject({ status: "error" });
  const after = await kernel.execute("console.log('heard'); kept");
  expect(kernel.text(after)).toBe("heard\n");
  expect(result(after)).toBe("'kept'");
});

test("interrupts that come at any moment of cells, and in rows, cost no variable and stop no later cell", async () => {
  const cells = [
    "for (let i = 0; i < 2e6; i++);",
    "await null; while (true) {}",
    "while (true) {}",
    "for (;;) console.log('x'.repeat(100_000));", // more than a pipe takes at once
    "1",
  ];
  for (let round = 0; round < 40; round++) {
    const code = cells[round % cells.length] ?? "";
    const cell = kernel.execute(code);
    await new Promise((resolve) => setTimeout(resolve, round));
    await kernel.request("interrupt_request", {}, "control");
    // One that came before the cell had begun, while it was being compiled, counts as well.
    expect(["ok", "error"]).toContain((await cell).reply["status"]);
    const next = await kernel.execute("for (let i = 0; i < 1000; i++); console.log('heard'); kept");
    expect(next.reply).toMatchObject({ status: "ok" }); // shows the error otherwise
    expect(kernel.text(next)).toBe("heard\n");
    expect(result(next)).toBe("'kept'");
  }
});

test("an interrupt when nothing runs harms nothing", async () => {
  await kernel.request("interrupt_request", {}, "control");
  expect(result(await kernel.execute("let sum = 0; for (let i = 0; i < 10; i++) sum += i; sum"))).toBe("45");
});

test("the cell's signal aborts when it is interrupted, so that engine calls stop", async () => {
  const { ended } = await kernel.begin(`
    const { signal } = (globalThis as any)[Symbol.for("stateline.cellHost")];
    let reason = "none";
    signal.addEventListener("abort", () => (reason = signal.reason.name));
    console.log("begun");
    await new Promise(() => undefined);`);
  await kernel.request("interrupt_request", {}, "control");
  expect((await ended).reply).toMatchObject({ ename: "Interrupted", evalue: "the cell was interrupted" });
  expect(result(await kernel.execute("reason"))).toBe("'Interrupted'");
});

test("a generation stops within a step when its cell is interrupted, and the model goes on", async () => {
  await kernel.execute(`import { loadModel } from "stateline";
    const model = await loadModel(${JSON.stringify(tinyMamba)}, { tensorParallel: 2 });`);
  const { ended } = await kernel.begin(`let said = false;
    await model.generate("The", { maxNewTokens: 1_000_000, onToken: () => (said ||= (console.log("begun"), true)) });`);
  await kernel.request("interrupt_request", {}, "control");
  expect((await ended).reply).toMatchObject({ ename: "Interrupted" });
  expect(result(await kernel.execute('(await model.generate("The", { maxNewTokens: 5 })).tokens.length'))).toBe("5");
});

test("queries without end stop when their cell is interrupted, and take no later one's place", async () => {
  const runs = JSON.stringify(temporaryFolder());
  await kernel.execute(`import * as stateline from "stateline";
    const small = await stateline.loadModel(${JSON.stringify(tinyMamba)});
    const run = await stateline.profile(() => small.generate("The", { maxNewTokens: 20 }), { runs: ${runs} });`);
  const { ended } =
    await kernel.begin(`const all = "SELECT count(*) FROM events a, events b, events c, events d, events e";
    const queries = Promise.all([run.sql(all, { timeoutMs: 1e9 }), run.sql(all, { timeoutMs: 1e9 })]);
    setTimeout(() => console.log("begun"), 500);
    await queries;`);
  await kernel.request("interrupt_request", {}, "control");
  expect((await ended).reply).toMatchObject({ ename: "Interrupted" });
  const count = 'const { rows } = await run.sql("SELECT count(*) > 0 AS found FROM events", { timeoutMs: 5000 }); rows';
  expect(result(await kernel.execute(count))).toBe("[ { found: true } ]");
});

test("a cell that cannot be interrupted is ended after a while, and says so", async () => {
  const { ended } = await kernel.begin(
    "console.log('begun'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000); for (;;) {}",
  );
  // Atomics.wait is broken by SIGINT; a process that has stopped is not.
  const worker = childrenOf(kernel.process)[0] ?? 0;
  process.kill(worker, "SIGSTOP");
  await kernel.request("interrupt_request", {}, "control");
  const { reply } = await ended;
  expect(reply).toMatchObject({ ename: "WorkerDied" });
  expect(String(reply["evalue"])).toContain("did not stop within 5 s of being interrupted");
  expect(result(await kernel.execute("1 + 1"))).toBe("2");
});
