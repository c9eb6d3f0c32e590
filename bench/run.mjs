// npm run bench: prefill and decode speed of the CPU engine, what recording costs and a shared prefix saves, in interleaved rounds.
//
//   npm run bench                     all, 5 rounds
//   npm run bench -- --rounds 3 --save
//
// --save keeps the figures as bench/results/<date>-<machine>.json.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../scripts/ensure.mjs";
import { root } from "../scripts/lib.mjs";
import { measureSpeed } from "./engine/speed.mjs";
import { measurePrefix } from "./engine/prefix.mjs";
import { measureRecording } from "./engine/recording.mjs";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, save: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(`--rounds must be a whole number from 1, got ${values.rounds}\n`);
  process.exit(2);
}

await ensureBuilt();
const stateline = createRequire(import.meta.url)("../dist/kernel/api/index.js");
const { makeModel } = createRequire(import.meta.url)("../dist/kernel/api/random/make.js");

const large = join(root, "build/bench/mamba-130m");
if (!existsSync(join(large, "config.json"))) {
  process.stdout.write("Writing random weights of mamba-130m's shape …\n");
  await makeModel({ like: "mamba-130m", out: large });
}

const speed = await measureSpeed(stateline, large, rounds);
process.stdout.write("\nmamba-130m shape, bf16, tokens/s, median (min-max)\n");
console.table(
  speed.map(({ ranks, threadsPerRank, prefill, decode, batch }) => ({
    ranks,
    "threads a rank": threadsPerRank,
    "prefill 512": prefill.text,
    "decode 128": decode.text,
    "decode, 16 together": batch.text,
  })),
);
const recording = await measureRecording(stateline, join(root, "models/tiny-mamba"), 3 * rounds);
process.stdout.write("\ntiny-mamba, 2 ranks, decode tokens/s with recording over without, median of paired rounds\n");
console.table([recording]);
const prefix = await measurePrefix(stateline, join(root, "models/tiny-mamba"), rounds);
process.stdout.write("\ntiny-mamba, 1 rank: a prompt whose first 2048 tokens another had\n");
console.table({
  "first token, warm over cold": prefix.warm.median,
  "first token, keeping states over not": prefix.keeping.median,
  "first token cold, ms": prefix.coldMs.median,
  "first token warm, ms": prefix.warmMs.median,
  "snapshot, ms": prefix.snapshotMs.median,
  "fork, ms": prefix.forkMs.median,
});

if (values.save) {
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0].model.trim()} × ${cpus().length}`;
  const file = join(root, "bench/results", `${date}-${machine.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.json`);
  mkdirSync(join(root, "bench/results"), { recursive: true });
  const isa = (await stateline.doctor()).cpu.isa;
  writeFileSync(
    file,
    `${JSON.stringify({ date, machine, isa, rounds, command: "npm run bench -- --save", speed, recording, prefix }, null, 2)}\n`,
  );
  process.stdout.write(`kept in ${file}\n`);
}
