/** Real Jupyter clients and the kernel as they find it: a Python with the clients, a data folder with the kernelspec. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installKernel } from "../../../kernel/jupyter/kernelspec";
import { root } from "../../support/fixtures";

export const kernelProgram: string = join(root, "dist/kernel/jupyter/main.js");

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "stateline-kernel-"));
}

/** Environment in which Jupyter finds the kernel `stateline` and none of the user's. */
export function jupyterEnvironment(): NodeJS.ProcessEnv {
  const data = temporaryFolder();
  installKernel(join(data, "kernels"), {
    name: "stateline",
    displayName: "TypeScript (Stateline)",
    program: kernelProgram,
    env: {},
  });
  return {
    ...process.env,
    JUPYTER_DATA_DIR: data,
    JUPYTER_RUNTIME_DIR: join(data, "runtime"),
    STATELINE_HISTORY: join(data, "history"),
    PYTHONUNBUFFERED: "1",
  };
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
}

/** Processes that one has started and that still run. */
export function childrenOf({ pid = 0 }: ChildProcess): number[] {
  const { stdout } = spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number).filter(isRunning);
}

export interface PythonResult {
  readonly code: number | null;
  readonly output: string;
}

export interface PythonProgram {
  readonly python: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The project's Python (.venv) with Jupyter's clients; `--lab` adds JupyterLab. Installed on first use. */
export function pythonProgram(...flags: readonly "--lab"[]): PythonProgram {
  const found = spawnSync(process.execPath, [join(root, "scripts/python-env.mjs"), ...flags], { encoding: "utf8" });
  if (found.status !== 0) throw new Error(`no Python for the tests: ${found.stderr}`);
  return JSON.parse(found.stdout.trim().split("\n").at(-1) ?? "") as PythonProgram;
}

/** Runs the project's Python and gives what it printed, stdout and stderr in one. */
export function python(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string = "",
  flags: readonly "--lab"[] = [],
): Promise<PythonResult> {
  const { python: program, env: extra } = pythonProgram(...flags);
  const child = spawn(program, args, { cwd: root, env: { ...env, ...extra } });
  child.stdin.end(input);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
