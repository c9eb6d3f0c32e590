/** What goes both ways between a cell and the page: questions, comms; and what is remembered: history, usage. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { KernelClient, result, stopKernels, traceback, type Content } from "./support/client";
import { temporaryFolder } from "./support/environment";

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await KernelClient.start();
});
afterAll(stopKernels);

const interactive = { allow_stdin: true };

test("input asks the client that runs the cell, behind what the cell has printed", async () => {
  const cell = kernel.execute(
    "console.log('first');\nconst who: string = await input('Name? ');\nconst secret = await input('Password: ', { password: true });\n[who, secret]",
    interactive,
  );
  await kernel.until(() => kernel.questions.length === 1);
  expect(kernel.questions[0]).toMatchObject({
    type: "input_request",
    content: { prompt: "Name? ", password: false },
  });
  expect(kernel.published.some(({ content }) => content["text"] === "first\n")).toBe(true);
  await kernel.answer("Ada ü");
  await kernel.until(() => kernel.questions.length === 2);
  expect(kernel.questions[1]?.content).toEqual({ prompt: "Password: ", password: true });
  await kernel.answer("1843");
  expect(result(await cell)).toBe("[ 'Ada ü', '1843' ]");
});

test("input is refused where nobody can be asked, and ends when the cell is interrupted", async () => {
  expect(traceback(await kernel.execute("await input('Name? ')"))).toContain(
    "nobody can be asked: the cell has ended, or the front end takes no input",
  );
  const asked = kernel.questions.length;
  const cell = kernel.execute("await input('Name? ')", interactive);
  await kernel.until(() => kernel.questions.length === asked + 1);
  await kernel.request("interrupt_request", {}, "control");
  expect((await cell).reply).toMatchObject({ status: "error", ename: "Interrupted" });
  const next = kernel.execute("await input('Again? ')", interactive);
  await kernel.until(() => kernel.questions.length === asked + 2);
  await kernel.answer("yes");
  expect(result(await next)).toBe("'yes'");
});

const sent = (type: string): { content: Content; buffers: readonly Buffer[] }[] =>
  kernel.published.filter((message) => message.type === type);

test("a comm that a cell opens carries messages and bytes both ways, and is listed until it is closed", async () => {
  await kernel.execute(
    `import { openComm } from "stateline";
     const comm = openComm("jupyter.widget", { state: 1 }, { metadata: { version: "2.1.0" }, buffers: [new Uint8Array([1, 2, 255])] });
     const heard: unknown[] = [];
     comm.onMessage = (data, { buffers }) => {
       console.log("heard", data, buffers[0]?.length);
       heard.push(data);
       comm.send({ echo: data }, { buffers });
     };`,
  );
  const [opened] = sent("comm_open");
  const id = opened?.content["comm_id"];
  expect(opened?.content).toEqual({ comm_id: id, target_name: "jupyter.widget", data: { state: 1 } });
  expect(opened?.buffers.map((bytes) => [...bytes])).toEqual([[1, 2, 255]]);
  const info = async (content: Content): Promise<unknown> =>
    (await kernel.request("comm_info_request", content)).reply["comms"];
  expect(await info({})).toEqual({ [String(id)]: { target_name: "jupyter.widget" } });
  expect(await info({ target_name: "other" })).toEqual({});

  await kernel.tell("comm_msg", { comm_id: id, data: { value: 7 } }, [Buffer.from("bytes ü")]);
  await kernel.until(() => sent("comm_msg").length === 1);
  expect(sent("comm_msg")[0]).toMatchObject({ content: { comm_id: id, data: { echo: { value: 7 } } } });
  expect(sent("comm_msg")[0]?.buffers[0]?.toString()).toBe("bytes ü");
  await kernel.until(() => kernel.published.some(({ content }) => content["text"] === "heard { value: 7 } 8\n"));
  expect(result(await kernel.execute("comm.close(); heard.length"))).toBe("1");
  await kernel.until(() => sent("comm_close").some(({ content }) => content["comm_id"] === id));
  expect(await info({})).toEqual({});
  expect(traceback(await kernel.execute("comm.send({})"))).toContain("is closed; open another");
});

test("a target that a cell registers takes the comms that the page opens", async () => {
  await kernel.execute(
    `import { registerCommTarget } from "stateline";
     registerCommTarget("mine", (opened, { data }) => opened.send({ got: data, from: opened.target }));`,
  );
  await kernel.tell("comm_open", { comm_id: "page-1", target_name: "mine", data: { hello: true } });
  await kernel.until(() => sent("comm_msg").some(({ content }) => content["comm_id"] === "page-1"));
  expect(sent("comm_msg").at(-1)?.content["data"]).toEqual({ got: { hello: true }, from: "mine" });
});

test("the page hears that its comms are gone when the worker dies", async () => {
  await kernel.execute('openComm("jupyter.widget", {});');
  const id = sent("comm_open").at(-1)?.content["comm_id"];
  await kernel.execute("process.exit(1)");
  await kernel.until(() => sent("comm_close").some(({ content }) => content["comm_id"] === id));
  expect((await kernel.request("comm_info_request", {})).reply["comms"]).toEqual({});
});

test("history outlives the kernel, a session a file that only its user can read", async () => {
  const STATELINE_HISTORY = join(temporaryFolder(), "history");
  const start = (): Promise<KernelClient> => KernelClient.start({ env: { STATELINE_HISTORY } });
  const ask = async (client: KernelClient, content: Content): Promise<unknown> =>
    (await client.request("history_request", { output: false, raw: true, ...content })).reply["history"];
  const first = await start();
  await first.execute("const a = 1;");
  await first.execute("'silent'", { store_history: false });
  await first.execute("a +\n  1");
  await first.stop();
  const [second, third] = await Promise.all([start(), start()]);
  await second.execute("'second'");
  await third.execute("'third'");
  const tail = (await ask(third, { hist_access_type: "tail", n: 10 })) as unknown[][];
  expect(tail.slice(0, 2)).toEqual([
    [1, 1, "const a = 1;"],
    [1, 2, "a +\n  1"],
  ]);
  expect(tail.at(-1)?.slice(1)).toEqual([1, "'third'"]);
  expect(await ask(third, { hist_access_type: "tail", n: 1 })).toEqual([tail.at(-1)]);
  const session = Number(tail.at(-1)?.[0]);
  expect(await ask(third, { hist_access_type: "range", session: 1, start: 2, stop: 3 })).toEqual([[1, 2, "a +\n  1"]]);
  expect(await ask(third, { hist_access_type: "range", session: 1 - session, start: 1, stop: 2 })).toEqual([
    [1, 1, "const a = 1;"],
  ]);
  expect(await ask(third, { hist_access_type: "range", session: 0, output: true })).toEqual([
    [session, 1, ["'third'", null]],
  ]);
  expect(await ask(third, { hist_access_type: "search", pattern: "const*" })).toEqual([[1, 1, "const a = 1;"]]);
  expect(readdirSync(STATELINE_HISTORY)).toEqual(["000001.jsonl", "000002.jsonl", "000003.jsonl"]);
  if (process.platform !== "win32") expect(statSync(join(STATELINE_HISTORY, "000001.jsonl")).mode & 0o077).toBe(0);
});

test.each([
  ["a file", join(__filename, "history")],
  ["a folder of the system's", "/proc/absent/history"],
])("history in %s is not kept, and costs nothing else", async (_, STATELINE_HISTORY) => {
  const client = await KernelClient.start({ env: { STATELINE_HISTORY } });
  await client.execute("1");
  const { reply } = await client.request("history_request", { hist_access_type: "tail", n: 5 });
  expect(reply["history"]).toEqual([[1, 1, "1"]]);
  expect(client.stderr.text).toContain("history is not kept");
});

test("usage says what the kernel's processes take", async () => {
  await kernel.request("usage_request", {}, "control");
  await kernel.execute("for (const end = performance.now() + 400; performance.now() < end;);");
  const { reply } = await kernel.request("usage_request", {}, "control");
  const pid = Number(result(await kernel.execute("process.pid")));
  expect(reply).toMatchObject({ status: "ok", pid });
  expect(Number(reply["kernel_memory"])).toBeGreaterThan(
    Number(result(await kernel.execute("process.memoryUsage.rss()"))) / 4,
  );
  if (process.platform === "linux") expect(Number(reply["kernel_cpu"])).toBeGreaterThan(1);
  expect(Number((reply["host_virtual_memory"] as Content)["available"])).toBeGreaterThan(0);
});

test("usage names each GPU's memory as the driver gives it, and leaves out a GPU that does not tell", async () => {
  const folder = temporaryFolder();
  const asked = join(folder, "asked");
  const answer = "0, NVIDIA H100 80GB HBM3, 1024, 81559\\n1, NVIDIA GB10, [N/A], [N/A]\\n";
  const program = `#!/bin/sh\necho "$@" > ${asked}\nprintf '${answer}'\n`;
  writeFileSync(join(folder, "nvidia-smi"), program, { mode: 0o755 });
  const client = await KernelClient.start({ env: { PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` } });
  const { reply } = await client.request("usage_request", {}, "control");
  expect(reply["gpus"]).toEqual([
    { index: 0, name: "NVIDIA H100 80GB HBM3", used: 1024 * 2 ** 20, total: 81559 * 2 ** 20 },
  ]);
  expect(readFileSync(asked, "utf8")).toContain("--query-gpu=index,name,memory.used,memory.total");
});
