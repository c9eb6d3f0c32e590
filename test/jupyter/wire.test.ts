import fc from "fast-check";
import { Dealer } from "zeromq";
import { Wire } from "../../kernel/jupyter/wire";
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

/** JSON of a message's part, bytes that are none, or JSON that is no object. */
const part = fc.oneof(
  fc.json().map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom("{", "[]", "null", "1", '""', "\u0000", "{}").map((text) => Buffer.from(text)),
);

interface Forgery {
  /** Which parts are replaced: all that a message has but its signature. */
  readonly parts: readonly (Buffer | undefined)[];
  readonly signature: "right" | "wrong" | "missing" | "of other parts";
  readonly delimiter: boolean;
  readonly channel: "shell" | "control" | "stdin";
}

const forgery: fc.Arbitrary<Forgery> = fc.record({
  parts: fc.array(fc.option(part, { nil: undefined }), { minLength: 0, maxLength: 7 }),
  signature: fc.constantFrom("right", "wrong", "missing", "of other parts"),
  delimiter: fc.boolean(),
  channel: fc.constantFrom("shell", "control", "stdin"),
});

/** Whether the kernel has to take it: whole, signed, and a header with a type and an id. */
function isMessage({ parts, signature, delimiter }: Forgery): boolean {
  const isObject = (bytes: Buffer | undefined): boolean => {
    try {
      const value: unknown = bytes === undefined ? {} : JSON.parse(bytes.toString());
      return typeof value === "object" && value !== null && !Array.isArray(value);
    } catch {
      return false;
    }
  };
  return (
    delimiter &&
    signature === "right" &&
    parts.length >= 4 &&
    parts[0] === undefined &&
    parts.slice(0, 4).every(isObject)
  );
}

test("malformed messages neither stop the kernel nor get a word from it, least of all a signature", async () => {
  const before = await afterwards();
  const replies: string[] = [];
  const sockets = {
    shell: new Dealer({ linger: 0 }),
    control: new Dealer({ linger: 0 }),
    stdin: new Dealer({ linger: 0 }),
  };
  const signatures = new Set<string>();
  for (const [channel, socket] of Object.entries(sockets)) {
    socket.connect(kernel.address(channel));
    void (async () => {
      for await (const frames of socket) replies.push(frames.join(" "));
    })();
  }
  await fc.assert(
    fc.asyncProperty(
      forgery.filter((forged) => !isMessage(forged)),
      async ({ parts: replaced, signature, delimiter, channel }) => {
        const [, , ...valid] = kernel.frames("execute_request", { code: "console.log('forged')" });
        const parts = replaced.map((bytes, index) => bytes ?? Buffer.from(valid[index] ?? "buffer"));
        const right = kernel.sign(
          parts.slice(0, 4).map((bytes) => bytes.toString("latin1")),
          "latin1",
        );
        if (signature !== "right") signatures.add(right);
        const signed = {
          right: [right],
          wrong: ["0".repeat(64)],
          missing: [],
          "of other parts": [kernel.sign(["other"])],
        }[signature];
        await sockets[channel].send([...(delimiter ? ["<IDS|MSG>"] : []), ...signed, ...parts]);
      },
    ),
    { numRuns: 1000 },
  );
  // What came before on the same connections has been dealt with when these are answered.
  for (const channel of ["shell", "control"] as const) {
    await sockets[channel].send(kernel.frames("kernel_info_request", {}, `last on ${channel}`));
    await kernel.until(() => replies.some((reply) => reply.includes(`last on ${channel}`)));
  }
  await afterwards();
  for (const socket of Object.values(sockets)) socket.close();
  expect(replies).toHaveLength(2);
  const said = JSON.stringify(kernel.published.slice(before));
  expect(kernel.published.slice(before).filter(({ type }) => type !== "status")).toEqual([]);
  expect([...signatures].filter((text) => said.includes(text))).toEqual([]);
  expect(kernel.stderr.text).toBe("");
  expect(result(await kernel.execute("6 * 7"))).toBe("42");
});

test("a message is decoded to what was encoded, whatever it holds; anything else to nothing, without an error", () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue());
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
  const asBuffers = (frames: readonly (Buffer | string)[]): Buffer[] => frames.map((frame) => Buffer.from(frame));
  fc.assert(
    fc.property(
      fc.string(),
      fc.string({ minLength: 1 }),
      value,
      value,
      fc.array(bytes),
      (key, type, content, metadata, buffers) => {
        const sender = new Wire(key, "sha256");
        const frames = asBuffers(sender.encode(["peer"], { type, parent: undefined, content, metadata, buffers }));
        const [decoded, again] = [0, 1].map(() => receiver.get(key).decode(frames));
        expect(decoded?.header.msg_type).toBe(type);
        const plain: unknown = JSON.parse(JSON.stringify({ content, metadata }));
        expect({ content: decoded?.content, metadata: decoded?.metadata }).toEqual(plain);
        expect(decoded?.buffers).toEqual(buffers);
        if (key !== "") expect(again).toBeUndefined();
      },
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes, fc.constant(Buffer.from("<IDS|MSG>")))), (frames) => {
      expect(new Wire("key", "sha256").decode(frames)).toBeUndefined();
    }),
  );
});

/** The other end of a connection: remembers signatures, so one a key. */
const receiver = {
  wires: new Map<string, Wire>(),
  get(key: string): Wire {
    const wire = this.wires.get(key) ?? new Wire(key, "sha256");
    this.wires.set(key, wire);
    return wire;
  },
};

test("requests whose content makes no sense are answered all the same", async () => {
  for (const type of ["complete", "inspect", "is_complete", "history", "comm_info", "execute", "usage", "no_such"]) {
    const { replyType } = await kernel.request(`${type}_request`, { code: 7, cursor_pos: -3, hist_access_type: [] });
    expect(replyType).toBe(`${type}_reply`);
  }
});

test("is_complete knows complete, incomplete, invalid, and that of no text nothing is known", async () => {
  for (const [code, status] of [
    ["1 + 1", "complete"],
    ["for (;;) {", "incomplete"],
    ["1 )", "invalid"],
    [7, "unknown"],
  ])
    expect((await kernel.request("is_complete_request", { code })).reply["status"]).toBe(status);
});

test("kernel_info says who it is and how its code is shown, on shell and on control", async () => {
  for (const channel of ["shell", "control"] as const)
    expect((await kernel.request("kernel_info_request", {}, channel)).reply).toMatchObject({
      status: "ok",
      protocol_version: "5.5",
      language_info: { name: "typescript", mimetype: "application/typescript", file_extension: ".ts" },
      supported_features: [],
      help_links: [{ url: "https://www.typescriptlang.org/docs/" }, {}],
    });
});

test("heartbeat, control and kernel_info answer while a cell blocks its process", async () => {
  const { ended } = await kernel.begin(
    "console.log('begun'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
  );
  await kernel.heartbeat();
  const info = await kernel.request("kernel_info_request", {}, "control");
  const completion = await kernel.request("complete_request", { code: "Math.cb", cursor_pos: 7 });
  expect(info.reply["status"]).toBe("ok");
  expect(completion.reply["matches"]).toEqual(["cbrt"]);
  await kernel.request("interrupt_request", {}, "control");
  expect((await ended).reply).toMatchObject({ ename: "Interrupted" });
});

test("a question in the middle of a cell does not make the kernel look idle", async () => {
  const { ended } = await kernel.begin("console.log('begun'); await new Promise(() => undefined);");
  const { id } = await kernel.request("kernel_info_request", {});
  const states = kernel.published.filter(({ type }) => type === "status");
  const idle = states.findIndex(({ parent, content }) => parent === id && content["execution_state"] === "idle");
  await kernel.until(() => kernel.published.filter(({ type }) => type === "status").length > idle + 1);
  expect(kernel.published.filter(({ type }) => type === "status")[idle + 1]?.content).toEqual({
    execution_state: "busy",
  });
  await kernel.request("interrupt_request", {}, "control");
  await ended;
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
  await other.until(() => other.process.exitCode === 0);
  await other.until(() => !isRunning(pid));
});
