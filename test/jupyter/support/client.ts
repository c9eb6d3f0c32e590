/** A Jupyter client that speaks the wire protocol itself, with a kernel of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { Dealer, Request, Subscriber } from "zeromq";
import { kernelProgram, temporaryFolder } from "./environment";

export type Content = Record<string, unknown>;

export interface Received {
  readonly type: string;
  readonly parent: string | undefined;
  readonly metadata: Content;
  readonly content: Content;
  readonly buffers: readonly Buffer[];
}

export interface Answer {
  readonly id: string;
  readonly reply: Content;
  readonly replyType: string;
  /** Of the reply. */
  readonly metadata: Content;
  /** What came on iopub for this request until it was idle, without status and execute_input. */
  readonly outputs: readonly Received[];
}

export interface KernelOptions {
  readonly cwd?: string;
  readonly transport?: "tcp" | "ipc";
  readonly env?: NodeJS.ProcessEnv;
}

interface Waiting {
  reply?: Received;
  idle: boolean;
  readonly resolve: (answer: Answer) => void;
}

const DELIMITER = "<IDS|MSG>";

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) =>
          server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
        ),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

const started = new Set<KernelClient>();

/** Ends all kernels that this test file has started; also those of tests that failed half-way. */
export async function stopKernels(): Promise<void> {
  await Promise.all([...started].map((client) => client.stop()));
}

/** Writes a connection file as Jupyter would. */
export async function connectionFile(transport: "tcp" | "ipc" = "tcp"): Promise<{ path: string; connection: Content }> {
  const [shell, iopub, stdin, control, hb] = transport === "tcp" ? await freePorts(5) : [1, 2, 3, 4, 5];
  const folder = temporaryFolder();
  const connection = {
    transport,
    ip: transport === "tcp" ? "127.0.0.1" : join(folder, "kernel"),
    shell_port: shell,
    iopub_port: iopub,
    stdin_port: stdin,
    control_port: control,
    hb_port: hb,
    key: randomUUID(),
    signature_scheme: "hmac-sha256",
  };
  const path = join(folder, "connection.json");
  writeFileSync(path, JSON.stringify(connection));
  return { path, connection };
}

export class KernelClient {
  /** Clients have one identity on shell and stdin: by it the kernel finds whom to ask. */
  readonly #identity = randomUUID();
  readonly shell = new Dealer({ linger: 0, routingId: this.#identity });
  readonly #stdin = new Dealer({ linger: 0, routingId: this.#identity });
  readonly control = new Dealer({ linger: 0 });
  readonly #iopub = new Subscriber({ receiveHighWaterMark: 0, linger: 0 });
  readonly #waiting = new Map<string, Waiting>();
  readonly #outputs = new Map<string, Received[]>();
  /** Everything that came on iopub. */
  readonly published: Received[] = [];

  /** Questions that came on stdin. */
  readonly questions: Received[] = [];

  private constructor(
    readonly process: ChildProcess,
    readonly key: string,
    readonly address: (channel: string) => string,
    readonly stderr: { text: string },
  ) {
    for (const [socket, channel] of [
      [this.shell, "shell"],
      [this.control, "control"],
      [this.#stdin, "stdin"],
      [this.#iopub, "iopub"],
    ] as const)
      socket.connect(address(channel));
    this.#iopub.subscribe("");
    void this.#receivePublished();
    void this.#receiveQuestions();
    void this.#receiveReplies(this.shell);
    void this.#receiveReplies(this.control);
  }

  /** A kernel that answers; its working directory is a fresh folder unless given. */
  static async start({
    cwd = temporaryFolder(),
    transport = "tcp",
    env = {},
  }: KernelOptions = {}): Promise<KernelClient> {
    const { path, connection } = await connectionFile(transport);
    const child = spawn(process.execPath, [kernelProgram, path], {
      cwd,
      stdio: ["ignore", "inherit", "pipe"],
      env: { ...process.env, JPY_PARENT_PID: String(process.pid), STATELINE_HISTORY: "", ...env },
    });
    const stderr = { text: "" };
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr.text += text));
    const separator = transport === "tcp" ? ":" : "-";
    const address = (channel: string): string =>
      `${transport}://${String(connection["ip"])}${separator}${String(connection[`${channel}_port`])}`;
    const client = new KernelClient(child, String(connection["key"]), address, stderr);
    started.add(client);
    await client.until(() => client.published.some(({ type }) => type === "iopub_welcome"));
    await client.request("kernel_info_request", {});
    return client;
  }

  /** Frames of a signed message. */
  frames(type: string, content: Content, id: string = randomUUID(), metadata: Content = {}): string[] {
    const header = { msg_id: id, msg_type: type, session: "test", username: "test", date: "", version: "5.5" };
    const parts = [header, {}, metadata, content].map((part) => JSON.stringify(part));
    return [DELIMITER, this.sign(parts), ...parts];
  }

  sign(parts: readonly string[], encoding: "utf8" | "latin1" = "utf8"): string {
    return createHmac("sha256", this.key).update(parts.join(""), encoding).digest("hex");
  }

  /** Sends a message that has no reply. */
  async tell(type: string, content: Content, buffers: readonly Buffer[] = []): Promise<void> {
    await this.shell.send([...this.frames(type, content), ...buffers]);
  }

  /** Answers the question that is being asked. */
  async answer(value: string): Promise<void> {
    await this.#stdin.send(this.frames("input_reply", { value }));
  }

  /** Sends a request and waits for its reply and for idle. */
  request(
    type: string,
    content: Content,
    channel: "shell" | "control" = "shell",
    id: string = randomUUID(),
    metadata: Content = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { idle: false, resolve });
      (channel === "shell" ? this.shell : this.control).send(this.frames(type, content, id, metadata)).catch(reject);
    });
  }

  execute(code: string, options: Content = {}, metadata: Content = {}, id: string = randomUUID()): Promise<Answer> {
    const defaults = {
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    };
    return this.request("execute_request", { code, ...defaults, ...options }, "shell", id, metadata);
  }

  /** Runs a cell until it has printed "begun"; fails when it ends without. */
  async begin(code: string): Promise<{ readonly ended: Promise<Answer> }> {
    const id = randomUUID();
    let answer: Answer | undefined;
    const ended = this.execute(code, {}, {}, id).then((given) => (answer = given));
    const printed = (): string => this.#printed(id, "stdout");
    await this.until(() => answer !== undefined || printed().includes("begun\n"));
    if (!printed().includes("begun\n")) throw new Error(`ended before it had begun: ${JSON.stringify(answer)}`);
    return { ended };
  }

  /** Text that `answer` (or later output of its cell) put on a stream. */
  text({ id }: Answer, name: "stdout" | "stderr" = "stdout"): string {
    return this.#printed(id, name);
  }

  #printed(id: string, name: "stdout" | "stderr"): string {
    return (this.#outputs.get(id) ?? [])
      .filter(({ type, content }) => type === "stream" && content["name"] === name)
      .map(({ content }) => String(content["text"]))
      .join("");
  }

  /** Resolves when `condition` holds; tries every few milliseconds. */
  async until(condition: () => boolean, timeoutMs = 60_000): Promise<void> {
    for (const start = performance.now(); !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
      if (performance.now() - start > timeoutMs)
        throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}\n${this.#latest()}`);
  }

  /** What came last, for a test that waited in vain. */
  #latest(): string {
    const messages = this.published.slice(-20).map(({ type, content }) => `${type} ${JSON.stringify(content)}`);
    return [...messages, `stderr of the kernel: ${this.stderr.text}`].join("\n");
  }

  /** Milliseconds until the heartbeat comes back. */
  async heartbeat(): Promise<number> {
    const socket = new Request({ linger: 0, receiveTimeout: 5000 });
    socket.connect(this.address("hb"));
    const start = performance.now();
    await socket.send("ping");
    const [answer] = await socket.receive();
    socket.close();
    if (answer?.toString() !== "ping") throw new Error(`heartbeat answered ${String(answer)}`);
    return performance.now() - start;
  }

  /** Ends the kernel by force if it still runs, and closes the sockets. */
  async stop(): Promise<void> {
    started.delete(this);
    for (const socket of [this.shell, this.control, this.#stdin, this.#iopub]) if (!socket.closed) socket.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }

  async #receivePublished(): Promise<void> {
    for await (const frames of this.#iopub) {
      const message = parse(frames);
      this.published.push(message);
      const { type, parent, content } = message;
      if (parent === undefined) continue;
      const outputs = this.#outputs.get(parent) ?? [];
      this.#outputs.set(parent, outputs);
      const waiting = this.#waiting.get(parent);
      if (type === "status") {
        if (waiting !== undefined && content["execution_state"] === "idle") waiting.idle = true;
      } else if (type !== "execute_input") outputs.push(message);
      this.#settle(parent);
    }
  }

  async #receiveQuestions(): Promise<void> {
    for await (const frames of this.#stdin) this.questions.push(parse(frames));
  }

  async #receiveReplies(socket: Dealer): Promise<void> {
    for await (const frames of socket) {
      const message = parse(frames);
      const waiting = this.#waiting.get(message.parent ?? "");
      if (waiting !== undefined) waiting.reply = message;
      this.#settle(message.parent ?? "");
    }
  }

  #settle(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.reply === undefined || !waiting.idle) return;
    this.#waiting.delete(id);
    const outputs = [...(this.#outputs.get(id) ?? [])];
    const { content: reply, type: replyType, metadata } = waiting.reply;
    waiting.resolve({ id, reply, replyType, metadata, outputs });
  }
}

function parse(frames: readonly Buffer[]): Received {
  const start = frames.findIndex((frame) => frame.toString() === DELIMITER) + 2;
  const [header, parent, metadata, content] = frames
    .slice(start, start + 4)
    .map((frame) => JSON.parse(frame.toString()) as Content);
  const parentId = parent?.["msg_id"];
  return {
    type: String(header?.["msg_type"]),
    parent: typeof parentId === "string" ? parentId : undefined,
    metadata: metadata ?? {},
    content: content ?? {},
    buffers: frames.slice(start + 4),
  };
}

/** The text of a cell's result. */
export function result({ outputs }: Answer): unknown {
  const message = outputs.find(({ type }) => type === "execute_result");
  return (message?.content["data"] as Content | undefined)?.["text/plain"];
}

/** Traceback of a failed cell, without colours. */
export function traceback({ reply }: Answer): string {
  const lines = Array.isArray(reply["traceback"]) ? reply["traceback"] : [];
  return lines.join("\n").replace(/\u001b\[\d+m/g, "");
}
