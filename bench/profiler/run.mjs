// node bench/profiler/run.mjs [--json]: the profiler's page with a million events, measured in Chromium;
// node bench/profiler/run.mjs event-loop: its server meanwhile;
// node bench/profiler/run.mjs compare: the page of two runs of ten million events each.
import { build } from "esbuild";
import { join } from "node:path";
import { ensureBuilt } from "../../scripts/ensure.mjs";
import { root, run } from "../../scripts/lib.mjs";

await ensureBuilt();
const given = process.argv.slice(2);
const [name, ...rest] = ["event-loop", "compare"].includes(given[0]) ? given : ["frames", ...given];
const program = join(root, `build/bench/${name}.cjs`);
await build({
  entryPoints: [join(root, `bench/profiler/${name}.ts`)],
  outfile: program,
  bundle: true,
  platform: "node",
  packages: "external",
  logLevel: "warning",
});
run(process.execPath, [program, ...rest]);
