/** The GPU check's script where its programs fail, hang and are few: stubs in their place, and no Node on PATH. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

const root = join(__dirname, "../..");

interface Result {
  readonly parts: readonly { readonly part: string; readonly status: string; readonly note: string }[];
  readonly kernels: readonly { readonly kernel: string; readonly us: number }[];
  readonly models: readonly unknown[];
}

let folder = "";
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "gpu-check-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the script with scripts of the shell as its programs; `tools`: what is on PATH. */
function check(stubs: Readonly<Record<string, string>>, args: readonly string[], tools: string) {
  const run = mkdtempSync(join(folder, "run-"));
  const programs = join(run, "programs"),
    results = join(run, "results");
  mkdirSync(join(programs, "bin"), { recursive: true });
  for (const [name, body] of Object.entries(stubs)) {
    writeFileSync(join(programs, "bin", name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(programs, "bin", name), 0o755);
  }
  const { status, stdout, stderr } = spawnSync("/bin/sh", [join(root, "bench/gpu/run.sh"), ...args], {
    encoding: "utf8",
    env: {
      PATH: tools,
      STATELINE_GPU_PROGRAMS: programs,
      STATELINE_GPU_RESULTS: results,
      STATELINE_GPU_SECONDS: "4",
    },
  });
  const name = existsSync(results) ? readdirSync(results).find((each) => each.endsWith(".json")) : undefined;
  const file = name === undefined ? null : join(results, name);
  return { status, stdout, stderr, file, result: file ? (JSON.parse(readFileSync(file, "utf8")) as Result) : null };
}

test("a part of the GPU check that fails or hangs is named, what it had measured is kept, and the others run in the time left", () => {
  const tools = join(folder, "tools");
  mkdirSync(tools);
  for (const tool of [
    "cat",
    "date",
    "dirname",
    "grep",
    "mkdir",
    "mv",
    "paste",
    "rm",
    "sed",
    "sleep",
    "tail",
    "timeout",
    "tr",
  ])
    symlinkSync(execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim(), join(tools, tool));
  const row = (kernel: string): string => `  {"kernel": "${kernel}", "us": 3.5, "bytes": 2147483648, "flops": 0}`;
  const stubs = {
    kernel_tests: "echo '3 passed, 0 failed'",
    golden: `echo 'FAILED  "mamba\\odd" on 2 ranks'; exit 1`,
    kernels: `printf '[\\n${row("copy")},\\n  {"kernel": "half a r'; sleep 60`,
    speed: "exit 0",
  };
  const { status, stdout, file, result } = check(stubs, [], tools);
  expect(status).toBe(1);
  expect(stdout).toContain("these parts did not end well: golden kernels");
  const statuses = Object.fromEntries(result?.parts.map(({ part, status }) => [part, status]) ?? []);
  expect(statuses).toMatchObject({
    ops: "ok",
    sanitizer: "not here",
    golden: "failed",
    kernels: "out of time",
    "model-mamba-130m": "no time left",
    "mamba-ssm": "no time left",
  });
  expect(result?.parts.find(({ part }) => part === "golden")?.note).toBe('FAILED  "mamba\\odd" on 2 ranks');
  expect(result?.kernels).toEqual([{ kernel: "copy", us: 3.5, bytes: 2147483648, flops: 0 }]);

  const table = execFileSync(process.execPath, [join(root, "bench/gpu/table.mjs"), file ?? ""], {
    encoding: "utf8",
  });
  expect(table).toContain("| kernels | out of time |");
  expect(table).toMatch(/^\| copy \| 3\.5 \| 754 \|/m);
});

test("parts of the GPU check are chosen by name, also of its dry run", () => {
  const stubs = { kernel_tests: "exit 1", kernels: "exit 0", speed: "exit 0", sums: "exit 0" };
  const tools = [dirname(process.execPath), process.env["PATH"]].join(delimiter);
  const parts = (...args: string[]) => check(stubs, args, tools).result?.parts.map(({ part }) => part);
  expect(parts("--only", "kernels,speed")).toEqual([
    "kernels",
    "model-mamba-130m",
    "model-mamba-2.8b",
    "model-falcon-mamba-7b",
    "model-zamba-7b",
  ]);
  expect(parts("--dry-run", "--only", "sums,model-tiny-zamba")).toEqual(["sums", "model-tiny-zamba"]);
  for (const args of [["--only"], ["--only", "kernels,speeds"], ["--only", "model-mamba-2.8b", "--dry-run"]]) {
    const { status, stdout, stderr } = check(stubs, args, tools);
    expect(status).toBe(2);
    expect(stdout + stderr).toMatch(/ops, sanitizer, golden, kernels, [^]*speed/);
  }
});
