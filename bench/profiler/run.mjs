// node bench/profiler/run.mjs [--json]: the profiler's page with a million events, measured in Chromium.
import { build } from "esbuild";
import { join } from "node:path";
import { ensureBuilt } from "../../scripts/ensure.mjs";
import { root, run } from "../../scripts/lib.mjs";

await ensureBuilt();
const program = join(root, "build/bench/frames.cjs");
await build({
  entryPoints: [join(root, "bench/profiler/frames.ts")],
  outfile: program,
  bundle: true,
  platform: "node",
  packages: "external",
  logLevel: "warning",
});
run(process.execPath, [program, ...process.argv.slice(2)]);
