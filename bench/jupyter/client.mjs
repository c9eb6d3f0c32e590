// A Jupyter client that speaks the wire protocol itself: its own cost in the figures is a fraction of a millisecond.
import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Dealer, Request, Subscriber } from "zeromq";
import { root } from "../../scripts/lib.mjs";

const DELIMITER = "<IDS|MSG>";
const channels = ["shell", "iopub", "stdin", "control", "hb"];

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const server = createServer();
  const port = await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Writes a connection file as Jupyter does. */
export async function connection() {
  const info = { transport: "tcp", ip: "127.0.0.1", key: randomUUID(), signature_scheme: "hmac-sha256" };
  for (const channel of channels) info[`${channel}_port`] = await freePort();
  const path = join(mkdtempSync(join(tmpdir(), "stateline-bench-")), "connection.json");
  writeFileSync(path, JSON.stringify(info));
  return { info, path };
}

export class Client {
  shell = new Dealer({ linger: 0 });
  control = new Dealer({ linger: 0 });
  iopub = new Subscriber({ receiveHighWaterMark: 0, linger: 0 });
  waiting = new Map();

  constructor({ info, path }, kernel) {
    this.info = info;
    for (const channel of ["shell", "control", "iopub"]) this[channel].connect(this.address(channel));
    this.iopub.subscribe("");
    this.listen(this.shell);
    this.listen(this.control);
    this.listen(this.iopub);
    const [program, ...args] = kernel.command(path);
    this.started = performance.now();
    this.process = spawn(program, args, {
      cwd: root,
      detached: true, // leads a group, as under Jupyter: an interrupt by signal goes to all of it
      stdio: "ignore",
      env: { ...process.env, ...kernel.env, JPY_PARENT_PID: String(process.pid) },
    });
  }

  address(channel) {
    return `tcp://127.0.0.1:${this.info[`${channel}_port`]}`;
  }

  frames(type, content, id) {
    const header = { msg_id: id, msg_type: type, session: "bench", username: "bench", date: "", version: "5.4" };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    return [DELIMITER, createHmac("sha256", this.info.key).update(parts.join("")).digest("hex"), ...parts];
  }

  async listen(socket) {
    for await (const frames of socket) {
      const at = frames.findIndex((frame) => frame.toString() === DELIMITER) + 2;
      const [header, parent, , content] = frames.slice(at, at + 4).map((frame) => JSON.parse(frame));
      const one = this.waiting.get(parent.msg_id);
      if (one === undefined) continue;
      if (header.msg_type === "stream") one.text.push(content.text);
      else if (header.msg_type === "status" && content.execution_state === "idle") one.idle = true;
      else if (header.msg_type.endsWith("_reply")) one.reply = content;
      if (one.reply !== undefined && (one.idle || one.replyOnly)) {
        this.waiting.delete(parent.msg_id);
        one.resolve({ reply: one.reply, text: one.text });
      }
    }
  }

  /** The reply and what was printed; undefined when the kernel does not finish within `timeoutMs`. */
  async request(type, content, { channel = "shell", timeoutMs = 20_000, replyOnly = false } = {}) {
    const id = randomUUID();
    const done = new Promise((resolve) => this.waiting.set(id, { resolve, replyOnly, text: [], idle: false }));
    await this[channel].send(this.frames(type, content, id));
    let timer;
    const timeout = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    const answer = await Promise.race([done, timeout]);
    clearTimeout(timer);
    return answer;
  }

  execute(code, options) {
    const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    return this.request("execute_request", { ...content, stop_on_error: true }, options);
  }

  /** Milliseconds until the heartbeat comes back; undefined when it does not. */
  async heartbeat(timeoutMs) {
    const socket = new Request({ linger: 0, receiveTimeout: timeoutMs });
    socket.connect(this.address("hb"));
    const start = performance.now();
    try {
      await socket.send("ping");
      await socket.receive();
      return performance.now() - start;
    } catch {
      return undefined;
    } finally {
      socket.close();
    }
  }

  /** As Jupyter interrupts this kernel: by a message, or by a signal to its process group. */
  async interrupt(kernel) {
    if (kernel.interrupt === "signal") process.kill(-this.process.pid, "SIGINT");
    else await this.request("interrupt_request", {}, { channel: "control", replyOnly: true });
  }

  async close() {
    for (const socket of [this.shell, this.control, this.iopub]) socket.close();
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    process.kill(-this.process.pid, "SIGKILL");
    await gone;
  }
}
