/**
 * Memory and time of loading a checkpoint, and the time to the first token of a prompt of four:
 * `node bench/engine/load.mjs DIR [RANKS] [ROUNDS]`. Memory is the first round's; Linux, which counts a process's pages by kind.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { spread } from "./statistics.mjs";

const stateline = createRequire(import.meta.url)("../../dist/kernel/api/index.js");
const [directory, ranks = "1", rounds = "8"] = process.argv.slice(2);
if (!directory) throw new Error("which checkpoint? node bench/engine/load.mjs DIR [RANKS] [ROUNDS]");
const load = (options) => stateline.loadModel(directory, { tensorParallel: Number(ranks), cacheBytes: 0, ...options });
const generate = (model, maxNewTokens) => model.generate([11, 12, 13, 14], { maxNewTokens, stopTokens: [] });

/** Megabytes of this process: its own, and of mapped files. */
function memory() {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name) => Math.round((Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024) / 1e6);
  return { own: of("RssAnon"), files: of("RssFile") };
}

const before = memory();
const peak = { own: 0, files: 0 };
const cpu = process.cpuUsage();
const model = await load({
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
const { tokens } = await generate(model, 8);
const after = memory();
console.log(
  `after ${tokens.length} tokens ${after.own - before.own} MB of its own and ${after.files - before.files} MB of files`,
);
await model.close();

const [loaded, first] = [[], []];
for (let round = 0; round < Number(rounds); round += 1) {
  const start = performance.now();
  const again = await load();
  loaded.push(performance.now() - start);
  await generate(again, 1);
  first.push(performance.now() - start);
  await again.close();
}
console.log(`loading ${spread(loaded).text} ms, first token after ${spread(first).text} ms, ${rounds} rounds`);
