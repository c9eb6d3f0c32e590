/** What happens when a process of the kernel dies: the worker, the front, or the program that started it all. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KernelClient, connectionFile, result, stopKernels } from "./support/client";
import { childrenOf, isRunning, kernelProgram, temporaryFolder } from "./support/environment";

afterEach(stopKernels);

const deaths: readonly (readonly [how: string, code: string, reason: string])[] = [
  [
    "crashes in native code",
    "process.kill(process.pid, 'SIGSEGV'); await new Promise(() => undefined);",
    "was ended by SIGSEGV",
  ],
  ["aborts", "process.abort()", "was ended by SIGABRT"],
  ["exits", "process.exit(3)", "ended with exit code 3"],
];

test.each(deaths)(
  "a worker that %s is reported in the cell with its reason, and the next cell runs",
  async (_, code, reason) => {
    const kernel = await KernelClient.start();
    await kernel.execute("let lost = 1;");
    const { reply, outputs } = await kernel.execute(`console.log('last words');\n${code}`);
    expect(reply).toMatchObject({ status: "error", ename: "WorkerDied" });
    expect(String(reply["evalue"])).toContain(reason);
    expect(String(reply["evalue"])).toContain("all variables are lost");
    expect(outputs[0]?.content).toEqual({ name: "stdout", text: "last words\n" });
    expect(outputs.at(-1)?.type).toBe("error");
    expect((await kernel.execute("lost")).reply).toMatchObject({ ename: "TypeScriptError" });
    expect(result(await kernel.execute("40 + 2"))).toBe("42");
  },
);

test("a worker that runs out of memory is told as such, with the size of its heap and what to do, and without V8's tables", async () => {
  const kernel = await KernelClient.start({ env: { NODE_OPTIONS: "--max-old-space-size=300" } });
  const full = await kernel.execute("console.error('said'); const a = []; for (;;) a.push(new Array(1e6).fill(1));");
  expect(full.reply).toMatchObject({ status: "error", ename: "WorkerDied" });
  expect(full.reply["evalue"]).toMatch(
    /ran out of memory: its JavaScript heap was full, with (2[5-9]|3[0-4])\d MiB in use; all variables are lost, a new process has been started\.\n.*NODE_OPTIONS=--max-old-space-size=512 \(MiB\)/,
  );
  expect(kernel.text(full, "stderr")).toBe("said\n");
  expect(result(await kernel.execute("1 + 1"))).toBe("2");
});

test("an array too long for V8 is told as such", async () => {
  const kernel = await KernelClient.start();
  const { reply, outputs } = await kernel.execute("const a: number[] = []; for (;;) a.push(1);");
  // V8 ends the process, or (from Node 22 on) throws in the cell.
  expect([reply["ename"], reply["evalue"]]).toEqual(
    reply["ename"] === "RangeError"
      ? ["RangeError", "Invalid array length"]
      : [
          "WorkerDied",
          expect.stringMatching(/was ended by V8: an array grew longer than V8 can make one.*\nHold numbers in typed/s),
        ],
  );
  expect(outputs.map(({ type }) => type)).toEqual(["error"]);
});

test("what V8 says of a child process that runs out of memory is the cell's, and the worker lives on", async () => {
  const kernel = await KernelClient.start();
  const script = "const a = []; for (;;) a.push(new Array(1e6).fill(1));";
  const cell = await kernel.execute(
    `let kept = 1;
     require("node:child_process").spawnSync(process.execPath, ["--max-old-space-size=50", "-e", "${script}"], { stdio: "inherit" }).signal`,
  );
  expect(kernel.text(cell, "stderr")).toContain("JavaScript heap out of memory");
  expect(result(cell)).toBe("'SIGABRT'");
  expect(result(await kernel.execute("kept"))).toBe("1");
});

test("a cell may close the process's stdout and stderr: nothing is written into files in their place, and cells still print", async () => {
  const kernel = await KernelClient.start();
  const file = join(temporaryFolder(), "file");
  const closing = await kernel.execute(
    `import fs from "node:fs";
     console.log("before");
     fs.closeSync(1);
     fs.closeSync(2);
     fs.writeSync(fs.openSync(${JSON.stringify(file)}, "w"), "text");
     console.log("behind");`,
  );
  expect(kernel.text(closing)).toBe("before\nbehind\n");
  const next = await kernel.execute("console.log('next'); console.error('wrong'); 42");
  expect([kernel.text(next), kernel.text(next, "stderr"), result(next)]).toEqual(["next\n", "wrong\n", "42"]);
  expect(readFileSync(file, "utf8")).toBe("text");
});

test.each([3, 4, 5])(
  "a cell that closes the worker's own descriptor %d costs the worker, not the kernel",
  async (fd) => {
    const kernel = await KernelClient.start();
    await kernel.execute(`import { closeSync } from 'node:fs';\ncloseSync(${fd});`);
    await kernel.execute("'the one that finds out'", { stop_on_error: false });
    expect(result(await kernel.execute("6 * 7"))).toBe("42");
    const { ended } = await kernel.begin("console.log('begun'); for (;;) {}");
    await kernel.request("interrupt_request", {}, "control");
    expect((await ended).reply["status"]).toBe("error");
  },
);

test.each([
  ["zeros", "Buffer.alloc(100)"],
  ["text", "'some text that is no frame'"],
  ["a message that is none", "Buffer.from([12, 0, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7b, 0x7b])"],
])("a cell that writes %s to the kernel's own connection costs the worker only", async (_, bytes) => {
  const kernel = await KernelClient.start();
  const { reply } = await kernel.execute(`require('fs').writeSync(4, ${bytes}); await new Promise(() => undefined);`);
  expect(reply).toMatchObject({ status: "error", ename: "WorkerDied" });
  expect(reply["evalue"]).toContain("wrote to the kernel's own connection");
  expect(result(await kernel.execute("1 + 1"))).toBe("2");
});

test("a cell may put others in the place of JSON.stringify and fs.writeSync; one that breaks the kernel's ground is told of", async () => {
  const kernel = await KernelClient.start();
  await kernel.execute("JSON.stringify = () => 'mine'; require('fs').writeSync = () => 0;");
  const cell = await kernel.execute("console.log('said'); 40 + 2");
  expect([kernel.text(cell), result(cell)]).toEqual(["said\n", "42"]);
  await kernel.execute("(globalThis as any).Promise = undefined;");
  expect((await kernel.execute("1 + 1")).reply).toMatchObject({ status: "error", ename: "TypeError" });
});

test("what a cell printed before it ended the process is there to the last line", async () => {
  const kernel = await KernelClient.start();
  const cell = await kernel.execute("for (let i = 0; i < 3000; i++) console.log(i); process.exit(3);");
  expect(kernel.text(cell)).toMatch(/^0\n1\n[^]*\n2999\n$/);
});

test("a worker that dies between cells is noticed by the next cell, which runs", async () => {
  const kernel = await KernelClient.start();
  const pid = Number(result(await kernel.execute("setTimeout(() => process.exit(7), 100); process.pid")));
  await kernel.until(() => !isRunning(pid) && childrenOf(kernel.process).length > 0); // the next worker
  const next = await kernel.execute("1 + 1");
  expect(result(next)).toBe("2");
  expect(kernel.text(next, "stderr")).toContain("ended with exit code 7; all variables are lost");
});

test("an error that no cell caught is shown in its cell and the kernel goes on", async () => {
  const kernel = await KernelClient.start();
  const cell = await kernel.execute(
    "setTimeout(() => { throw new Error('in a timer'); }, 50);\nvoid Promise.reject(new Error('in a promise'));",
  );
  await kernel.until(() => kernel.text(cell, "stderr").includes("in a timer"));
  expect(kernel.text(cell, "stderr")).toContain("in a promise");
  expect(result(await kernel.execute("'alive'"))).toBe("'alive'");
});

test("the worker ends when the front is killed, even in the middle of a loop", async () => {
  const kernel = await KernelClient.start();
  const pid = Number(result(await kernel.execute("process.pid")));
  await kernel.begin("console.log('begun'); for (;;) {}");
  kernel.process.kill("SIGKILL");
  await kernel.until(() => !isRunning(pid));
});

test("the kernel ends when the program that started it is killed", async () => {
  const { path } = await connectionFile();
  const parent = spawn(
    process.execPath,
    [
      "-e",
      `const { spawn } = require("node:child_process");
       const child = spawn(process.execPath, process.argv.slice(1), {
         stdio: "ignore", env: { ...process.env, JPY_PARENT_PID: String(process.pid) },
       });
       console.log(child.pid);
       setInterval(() => undefined, 1000);`,
      kernelProgram,
      path,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const pid = await new Promise<number>((resolve) =>
    parent.stdout.once("data", (text: Buffer) => resolve(Number(text))),
  );
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(isRunning(pid)).toBe(true);
  parent.kill("SIGKILL");
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
});
