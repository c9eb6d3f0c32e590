// The kernels that are measured: how each is started, and the same cells in its language.
import { join } from "node:path";
import { root } from "../../scripts/lib.mjs";
import { ensureLab } from "../../scripts/python-env.mjs";

const typescript = {
  sum: (i) => `1 + ${i}`,
  lines: "for (let i = 0; i < 100_000; i++) console.log(`line ${i}`);",
  syncLoop: "while (true) {}",
  asyncLoop: "await null; while (true) {}",
  timerLoop: "setTimeout(() => { while (true) {} }, 10); await new Promise(() => undefined);",
  wait: "await new Promise(() => undefined);",
  block: (ms) => `Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms})`,
};

const python = {
  sum: (i) => `1 + ${i}`,
  lines: "for i in range(100_000): print(f'line {i}')",
  syncLoop: "while True: pass",
  asyncLoop: "import asyncio\nawait asyncio.sleep(0)\nwhile True: pass",
  timerLoop:
    "import asyncio\ndef spin():\n    while True: pass\nasyncio.get_event_loop().call_later(0.01, spin)\nawait asyncio.Event().wait()",
  wait: "import asyncio\nawait asyncio.Event().wait()",
  block: (ms) => `import time; time.sleep(${ms / 1000})`,
};

export function kernels() {
  const { python: program, env } = ensureLab();
  return [
    {
      name: "stateline",
      command: (path) => [process.execPath, join(root, "dist/kernel/jupyter/main.js"), path],
      env: { STATELINE_HISTORY: "" },
      interrupt: "message",
      cells: typescript,
    },
    {
      name: "tslab 1.0.22",
      command: (path) => [
        process.execPath,
        join(root, "node_modules/tslab/bin/tslab"),
        "kernel",
        "--config-path",
        path,
      ],
      env: {},
      interrupt: "signal",
      cells: typescript,
    },
    {
      name: "ipykernel 7.4.0",
      command: (path) => [program, "-m", "ipykernel_launcher", "-f", path],
      env: { ...env, PYDEVD_DISABLE_FILE_VALIDATION: "1" },
      interrupt: "signal",
      cells: python,
    },
  ];
}
