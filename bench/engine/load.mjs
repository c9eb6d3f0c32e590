/** Memory and time of loading a checkpoint: `node bench/engine/load.mjs DIR [RANKS]`. Linux, which counts a process's pages by kind. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const stateline = createRequire(import.meta.url)("../../dist/kernel/api/index.js");
const [directory, ranks = "1"] = process.argv.slice(2);
if (!directory) throw new Error("which checkpoint? node bench/engine/load.mjs DIR [RANKS]");

/** Megabytes of this process: its own, and of mapped files. */
function memory() {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name) => Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6);
  return { own: of("RssAnon"), files: of("RssFile") };
}

const before = memory();
const peak = { own: 0, files: 0 };
const cpu = process.cpuUsage();
const model = await stateline.loadModel(directory, {
  tensorParallel: Number(ranks),
  cacheBytes: 0,
  onProgress: () => {
    const now = memory();
    for (const kind of ["own", "files"]) peak[kind] = Math.max(peak[kind], now[kind] - before[kind]);
  },
});
const { user, system } = process.cpuUsage(cpu);
const weights = model.memory.weights.reduce((sum, bytes) => sum + bytes, 0);
console.log(
  `loaded in ${(model.loadMs / 1000).toFixed(1)} s (${(user / 1e6).toFixed(1)} s computing, ${(system / 1e6).toFixed(1)} s in the system)`,
);
console.log(
  `weights ${Math.round(weights / 1e6)} MB; while loading at most ${peak.own} MB of its own and ${peak.files} MB of files`,
);
const { tokens } = await model.generate([11, 12, 13, 14], { maxNewTokens: 8, stopTokens: [] });
const after = memory();
console.log(
  `after ${tokens.length} tokens ${after.own - before.own} MB of its own and ${after.files - before.files} MB of files`,
);
await model.close();
