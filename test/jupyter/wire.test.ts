import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { KernelClient, result, stopKernels } from "./support/client";
import { isRunning } from "./support/environment";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(stopKernels);

/** What the kernel has said when it has surely dealt with everything sent before. */
async function afterwards(): Promise<number> {
  await kernel.request("kernel_info_request", {});
  return kernel.published.length;
}

test("a message with a wrong signature is dropped without a word", async () => {
  const before = await afterwards();
  const [delimiter = "", , ...parts] = kernel.frames("execute_request", { code: "console.log('forged')" });
  for (const signature of ["", "0".repeat(64), kernel.sign(["other"]), "short"])
    await kernel.shell.send([delimiter, signature, ...parts]);
  await afterwards();
  const news = kernel.published.slice(before);
  expect(news.filter(({ type }) => type !== "status")).toEqual([]);
  expect(kernel.stderr.text).toBe("");
});

test("a message that is sent a second time is not run a second time", async () => {
  await kernel.execute("let runs = 0");
  const frames = kernel.frames("execute_request", { code: "runs++", silent: true });
  await kernel.shell.send(frames);
  await kernel.shell.send(frames);
  await afterwards();
  expect(result(await kernel.execute("runs"))).toBe("1");
});

test("malformed frames neither stop the kernel nor make it speak", async () => {
  const before = await afterwards();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Buffer.from("<IDS|MSG>"))), {
        minLength: 1,
        maxLength: 8,
      }),
      async (frames) => {
        await kernel.shell.send(frames.map((frame) => Buffer.from(frame)));
      },
    ),
    { numRuns: 200 },
  );
  const unsignedParts = [
    ["[]", "{}", "{}", "{}"],
    ["{}", "{}", "{}", "{}"],
    ["{", "}", "{}", "{}"],
    ["null", "1", "2", "3"],
  ];
  for (const parts of unsignedParts) await kernel.shell.send(["<IDS|MSG>", kernel.sign(parts), ...parts]);
  await kernel.control.send([randomBytes(3), "<IDS|MSG>"]);
  await afterwards();
  expect(kernel.published.slice(before).filter(({ type }) => type !== "status")).toEqual([]);
  expect(kernel.stderr.text).toBe("");
  expect(result(await kernel.execute("6 * 7"))).toBe("42");
});

test("requests whose content makes no sense are answered all the same", async () => {
  for (const type of ["complete", "inspect", "is_complete", "history", "comm_info", "execute", "usage", "no_such"]) {
    const { replyType } = await kernel.request(`${type}_request`, { code: 7, cursor_pos: -3, hist_access_type: [] });
    expect(replyType).toBe(`${type}_reply`);
  }
});

test("heartbeat, control and kernel_info answer while a cell blocks its process", async () => {
  const blocked = kernel.execute("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500); 'woke'");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const start = performance.now();
  const beat = await kernel.heartbeat();
  const info = await kernel.request("kernel_info_request", {}, "control");
  const completion = await kernel.request("complete_request", { code: "Math.cb", cursor_pos: 7 });
  const waited = performance.now() - start;
  expect(beat).toBeLessThan(200);
  expect(waited).toBeLessThan(1000);
  expect(info.reply["status"]).toBe("ok");
  expect(completion.reply["matches"]).toEqual(["cbrt"]);
  expect(result(await blocked)).toBe("'woke'");
});

test("a question in the middle of a cell does not make the kernel look idle", async () => {
  const cell = kernel.execute("await new Promise((resolve) => setTimeout(resolve, 300))");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { id } = await kernel.request("kernel_info_request", {});
  const states = kernel.published.filter(({ type }) => type === "status");
  const idle = states.findIndex(({ parent, content }) => parent === id && content["execution_state"] === "idle");
  await cell;
  expect(kernel.published.filter(({ type }) => type === "status")[idle + 1]?.content).toEqual({
    execution_state: "busy",
  });
});

test("positions count code points, as Jupyter does", async () => {
  const code = "'😀😀'; Math.sq";
  const { reply } = await kernel.request("complete_request", { code, cursor_pos: [...code].length });
  expect(reply).toMatchObject({ matches: ["sqrt"], cursor_start: 11, cursor_end: 13 });
});

test("a comm that nobody here knows is closed", async () => {
  const frames = kernel.frames("comm_open", { comm_id: "c1", target_name: "jupyter.widget", data: {} });
  await kernel.shell.send(frames);
  await kernel.until(() => kernel.published.some(({ type }) => type === "comm_close"));
  expect((await kernel.request("comm_info_request", {})).reply).toMatchObject({ status: "ok", comms: {} });
});

test("the kernel works over ipc as well", async () => {
  const other = await KernelClient.start({ transport: "ipc" });
  expect(result(await other.execute("1 + 1"))).toBe("2");
});

test("shutdown on the control channel is answered, and nothing is left running", async () => {
  const other = await KernelClient.start();
  const pid = Number(result(await other.execute("process.pid")));
  await other.execute("setInterval(() => undefined, 1000)");
  const { reply } = await other.request("shutdown_request", { restart: true }, "control");
  expect(reply).toEqual({ status: "ok", restart: true });
  await other.until(() => other.process.exitCode === 0, 2000);
  await other.until(() => !isRunning(pid), 2000);
});
