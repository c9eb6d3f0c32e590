/** The GPU check's script where its programs fail, hang and are few: stubs in their place, and no Node on PATH. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(__dirname, "../..");

interface Result {
  readonly parts: readonly { readonly part: string; readonly status: string; readonly note: string }[];
  readonly kernels: readonly { readonly kernel: string; readonly us: number }[];
  readonly models: readonly unknown[];
}

test("a part of the GPU check that fails or hangs is named, what it had measured is kept, and the others run in the time left", () => {
  const folder = mkdtempSync(join(tmpdir(), "gpu-check-"));
  try {
    const programs = join(folder, "programs"),
      tools = join(folder, "tools"),
      results = join(folder, "results");
    mkdirSync(join(programs, "bin"), { recursive: true });
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
    for (const [name, body] of Object.entries(stubs)) {
      writeFileSync(join(programs, "bin", name), `#!/bin/sh\n${body}\n`);
      chmodSync(join(programs, "bin", name), 0o755);
    }
    const { status, stdout } = spawnSync("/bin/sh", [join(root, "bench/gpu/run.sh")], {
      encoding: "utf8",
      env: {
        PATH: tools,
        STATELINE_GPU_PROGRAMS: programs,
        STATELINE_GPU_RESULTS: results,
        STATELINE_GPU_SECONDS: "4",
      },
    });
    expect(status).toBe(1);
    expect(stdout).toContain("these parts did not end well: golden kernels");
    const file = readdirSync(results).find((name) => name.endsWith(".json")) ?? "";
    const result = JSON.parse(readFileSync(join(results, file), "utf8")) as Result;
    const statuses = Object.fromEntries(result.parts.map(({ part, status }) => [part, status]));
    expect(statuses).toMatchObject({
      ops: "ok",
      sanitizer: "not here",
      golden: "failed",
      kernels: "out of time",
      "model-mamba-130m": "no time left",
      "mamba-ssm": "no time left",
    });
    expect(result.parts.find(({ part }) => part === "golden")?.note).toBe('FAILED  "mamba\\odd" on 2 ranks');
    expect(result.kernels).toEqual([{ kernel: "copy", us: 3.5, bytes: 2147483648, flops: 0 }]);

    const table = execFileSync(process.execPath, [join(root, "bench/gpu/table.mjs"), join(results, file)], {
      encoding: "utf8",
    });
    expect(table).toContain("| kernels | out of time |");
    expect(table).toMatch(/^\| copy \| 3\.5 \| 754 \|/m);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
