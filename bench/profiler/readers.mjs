// node bench/profiler/readers.mjs: a recorded run as Perfetto's published messages and Holistic Trace Analysis read it, beside
// our own summary. Makes a Python environment with both in build/readers.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBuilt } from "../../scripts/ensure.mjs";
import { root, run } from "../../scripts/lib.mjs";

const PACKAGES = ["HolisticTraceAnalysis==0.5.0", "perfetto==0.59.1"];

await ensureBuilt();
const stateline = createRequire(import.meta.url)(join(root, "dist/kernel/api/index.js"));
const environment = join(root, "build/readers");
const python = join(environment, "bin/python");
if (!existsSync(python)) run("python3", ["-m", "venv", environment]);
run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
const folder = mkdtempSync(join(tmpdir(), "stateline-readers-"));
try {
  const model = await stateline.loadModel(join(root, "models/tiny-mamba"), { tensorParallel: 2, allReduce: "int8" });
  const options = { maxNewTokens: 32, temperature: 0 };
  const recorded = await stateline.profile(() => model.generate("Once upon a time", options), { runs: folder });
  await model.close();
  const trace = await recorded.export("perfetto", join(folder, "run.pftrace"));
  const kineto = await recorded.export("chrome", join(folder, "kineto"));
  const script = join(root, "bench/profiler/readers.py");
  const theirs = JSON.parse(execFileSync(python, [script, trace, kineto], { encoding: "utf8", maxBuffer: 1 << 26 }));
  process.exitCode = report(await recorded.summary(), theirs) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report({ ops, ranks, collectives }, { perfetto, hta }) {
  const count = collectives.reduce((sum, one) => sum + one.count, 0);
  const rows = [
    ...ops.map(({ name, count: spans, totalNs }) => [`Perfetto, ${name}`, [spans, totalNs], perfetto.ops[name]]),
    ["Perfetto, collectives", count, perfetto.collectives],
    ["Perfetto, begins without end", 0, perfetto.unended],
    ...ranks.flatMap(({ rank, overlapShare }) => [
      // It prints percent with two decimals.
      [`HTA, rank ${rank}, overlap %`, Number((100 * overlapShare).toFixed(2)), hta[rank]?.overlap],
      [`HTA, rank ${rank}, collectives`, count, hta[rank]?.collectives],
    ]),
  ];
  const close = (a, b) => (typeof a === "number" ? Math.abs(a - b) <= 0.011 : String(a) === String(b));
  for (const [what, ours, other] of rows) {
    process.stdout.write(`${close(ours, other) ? "same " : "DIFFERENT"}  ${what}: ${ours} and ${other}\n`);
  }
  return rows.every(([, ours, other]) => close(ours, other));
}
