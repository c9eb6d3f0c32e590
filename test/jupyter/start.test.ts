/** Wrong connection files: one clear line, exit code 1. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectionFile, KernelClient, stopKernels } from "./support/client";
import { kernelProgram, temporaryFolder } from "./support/environment";

afterAll(stopKernels);

function start(args: readonly string[]): { code: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [kernelProgram, ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { code: status, stderr };
}

test("a kernel without a connection file says how it is started", () => {
  expect(start([])).toEqual({ code: 1, stderr: "stateline kernel: usage: node main.js <connection file>\n" });
});

test.each([
  ["that does not exist", undefined, /cannot be read \(ENOENT/],
  ["that is not JSON", "{", /cannot be read/],
  ["with an unknown transport", '{"transport":"udp"}', /has transport udp, not tcp or ipc/],
  ["without a port", '{"shell_port":0}', /has shell_port 0, not a port/],
  ["with an unknown signature", '{"signature_scheme":"rsa"}', /has signature_scheme rsa, not hmac-/],
])("a connection file %s is refused", (_, text, message) => {
  const path = join(temporaryFolder(), "connection.json");
  if (text !== undefined) writeFileSync(path, text);
  const { code, stderr } = start([path]);
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});

test("a port that is taken is refused with its channel and address", async () => {
  const running = await KernelClient.start();
  const { path, connection } = await connectionFile();
  const taken = Number(running.address("shell").split(":").at(-1));
  writeFileSync(path, JSON.stringify({ ...connection, shell_port: taken }));
  const { code, stderr } = start([path]);
  expect(code).toBe(1);
  expect(stderr).toContain(`shell cannot listen on tcp://127.0.0.1:${taken}`);
});
