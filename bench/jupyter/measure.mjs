// One round of every figure for one kernel. A figure that never comes is undefined.
import { spawn } from "node:child_process";
import { root } from "../../scripts/lib.mjs";
import { Client, connection, pause } from "./client.mjs";

const WARM_CELLS = 60;
const GIVE_UP_MS = 5000;
const BLOCK_MS = 5000;

async function started(kernel) {
  const client = new Client(await connection(), kernel);
  const answer = await client.request("kernel_info_request", {}, { replyOnly: true });
  if (answer === undefined) throw new Error(`${kernel.name} does not answer kernel_info_request`);
  const startMs = performance.now() - client.started;
  await pause(300); // subscriptions travel
  return { client, startMs };
}

/** Until the kernel's first kernel_info_reply; p50 of a cell that adds two numbers; a hundred thousand lines. */
async function speed(kernel) {
  const { client, startMs } = await started(kernel);
  try {
    await client.execute(kernel.cells.sum(0), { timeoutMs: 30_000 });
    const times = [];
    for (let i = 1; i <= WARM_CELLS; ++i) {
      const start = performance.now();
      const answer = await client.execute(kernel.cells.sum(i));
      if (answer?.reply.status !== "ok") throw new Error(`${kernel.name}: ${JSON.stringify(answer?.reply)}`);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const start = performance.now();
    const printed = await client.execute(kernel.cells.lines, { timeoutMs: GIVE_UP_MS });
    const lines = printed?.text.join("").trim().split("\n") ?? [];
    const complete = lines.length === 100_000 && lines.every((line, i) => line === `line ${i}`);
    return {
      startMs,
      cellMs: times[WARM_CELLS >> 1],
      linesMs: complete ? performance.now() - start : undefined,
    };
  } finally {
    await client.close();
  }
}

/** From the interrupt until the cell's reply. */
async function interruption(kernel, code) {
  const { client } = await started(kernel);
  try {
    await client.execute(kernel.cells.sum(0), { timeoutMs: 30_000 });
    const cell = client.execute(code, { timeoutMs: GIVE_UP_MS + 1000, replyOnly: true });
    await pause(700);
    const start = performance.now();
    await Promise.race([client.interrupt(kernel), pause(GIVE_UP_MS)]);
    const answer = await Promise.race([cell, pause(GIVE_UP_MS)]);
    return answer === undefined ? undefined : performance.now() - start;
  } finally {
    await client.close();
  }
}

/** The slowest heartbeat while a cell blocks its thread in native code. */
async function heartbeat(kernel) {
  const { client } = await started(kernel);
  try {
    await client.execute(kernel.cells.sum(0), { timeoutMs: 30_000 });
    const cell = client.execute(kernel.cells.block(BLOCK_MS), { timeoutMs: 2 * BLOCK_MS, replyOnly: true });
    await pause(500);
    let slowest = 0;
    for (const end = performance.now() + BLOCK_MS - 1000; performance.now() < end; await pause(100)) {
      const ms = await client.heartbeat(1000);
      if (ms === undefined) return undefined;
      slowest = Math.max(slowest, ms);
    }
    await cell;
    return slowest;
  } finally {
    await client.close();
  }
}

/** From the death of the program that started the kernel until the kernel is gone. */
async function orphan(kernel) {
  const { path } = await connection();
  const [program, ...args] = kernel.command(path);
  const script = `
    const { spawn } = require("node:child_process");
    const [program, ...args] = process.argv.slice(1);
    const env = { ...process.env, JPY_PARENT_PID: String(process.pid) };
    const child = spawn(program, args, { detached: true, stdio: "ignore", env });
    console.log(child.pid);
    setInterval(() => undefined, 1000);`;
  const parent = spawn(process.execPath, ["-e", script, program, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...kernel.env },
  });
  const pid = await new Promise((resolve) => parent.stdout.once("data", (text) => resolve(Number(text))));
  await pause(3000);
  parent.kill("SIGKILL");
  const start = performance.now();
  const alive = () => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  while (alive() && performance.now() - start < GIVE_UP_MS) await pause(10);
  if (!alive()) return performance.now() - start;
  process.kill(-pid, "SIGKILL");
  return undefined;
}

export async function measure(kernel) {
  const { cells } = kernel;
  return {
    ...(await speed(kernel)),
    interruptSyncMs: await interruption(kernel, cells.syncLoop),
    interruptAsyncMs: await interruption(kernel, cells.asyncLoop),
    interruptTimerMs: await interruption(kernel, cells.timerLoop),
    interruptWaitMs: await interruption(kernel, cells.wait),
    heartbeatMs: await heartbeat(kernel),
    orphanMs: await orphan(kernel),
  };
}
