/** Runs the compiled `stateline` command as a user does: another process, its output and exit code. */

import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { join } from "node:path";

import { root } from "./fixtures";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export function startCli(
  args: readonly string[],
  { env = {}, cwd = root }: CliOptions = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [join(root, "dist/kernel/cli/main.js"), ...args], {
    cwd,
    env: { ...process.env, ...env },
  });
}

export function cli(args: readonly string[], options?: CliOptions): Promise<CliResult> {
  return finished(startCli(args, options));
}

export function finished(child: ChildProcessWithoutNullStreams): Promise<CliResult> {
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** What a command printed with --json. */
export async function cliJson<T>(args: readonly string[], options?: CliOptions): Promise<T> {
  const { code, stdout, stderr } = await cli([...args, "--json"], options);
  if (code !== 0) throw new Error(`stateline ${args.join(" ")} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
