/** What happens when a process of the kernel dies: the worker, the front, or the program that started it all. */
import { spawn } from "node:child_process";
import { KernelClient, connectionFile, result, stopKernels } from "./support/client";
import { childrenOf, isRunning, kernelProgram } from "./support/environment";

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
