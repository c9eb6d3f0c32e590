// npm run bench: prefill and decode speed of the CPU engine, what a second rank brings, what overlap hides, what recording costs
// and a shared prefix saves, in interleaved rounds.
//
//   npm run bench                     all, 5 rounds
//   npm run bench -- --rounds 3 --save
//   npm run bench -- --only scaling,overlap
//
// --save keeps the figures as bench/results/<date>-<machine>-<kernels>.json.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBuilt } from "../scripts/ensure.mjs";
import { root } from "../scripts/lib.mjs";
import { measureOverlap } from "./engine/overlap.mjs";
import { measurePrefix } from "./engine/prefix.mjs";
import { measureRecording } from "./engine/recording.mjs";
import { measureScaling } from "./engine/scaling.mjs";
import { measureSpeed } from "./engine/speed.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    save: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  process.stderr.write(`--rounds must be a whole number from 1, got ${values.rounds}\n`);
  process.exit(2);
}

await ensureBuilt();
const stateline = createRequire(import.meta.url)("../dist/kernel/api/index.js");
const { makeModel } = createRequire(import.meta.url)("../dist/kernel/api/random/make.js");
const { provenance } = createRequire(import.meta.url)("../dist/kernel/api/bench/provenance.js");

const large = join(root, "build/bench/mamba-130m");
if (!existsSync(join(large, "config.json"))) {
  process.stdout.write("Writing random weights of mamba-130m's shape …\n");
  await makeModel({ like: "mamba-130m", out: large });
}

const small = join(root, "models/tiny-mamba");
const print = (title, rows) => {
  process.stdout.write(`\n${title}\n`);
  console.table(rows);
};
const texts = (figures) => Object.fromEntries(Object.entries(figures).map(([name, { text }]) => [name, text]));

const measurements = {
  async speed() {
    const speed = await measureSpeed(stateline, large, rounds);
    print(
      "mamba-130m shape, bf16, tokens/s, median (min-max)",
      speed.map(({ ranks, threadsPerRank, prefill, decode, batch }) => ({
        ranks,
        "threads a rank": threadsPerRank,
        "prefill 512": prefill.text,
        "decode 128": decode.text,
        "decode, 16 together": batch.text,
      })),
    );
    return speed;
  },
  async scaling() {
    const scaling = await measureScaling(stateline, large, rounds);
    print(
      "mamba-130m shape, one thread a rank: two ranks over one, and twice the work by two models over one",
      scaling.map(({ what, computeType, ...figures }) => ({ what, "arithmetic in": computeType, ...texts(figures) })),
    );
    return scaling;
  },
  async overlap() {
    const overlap = await measureOverlap(stateline, large, rounds);
    print("mamba-130m shape, bf16, 2 ranks: AllReduce of a prefill that compute does not hide, µs a layer", {
      "overlap on": texts(overlap.onMicroseconds),
      "overlap off": texts(overlap.offMicroseconds),
      "on over off": texts(overlap.onOverOff),
    });
    return overlap;
  },
  async recording() {
    const recording = await measureRecording(stateline, small, 3 * rounds);
    print("tiny-mamba, 2 ranks, decode tokens/s with recording over without, median of paired rounds", [recording]);
    return recording;
  },
  async prefix() {
    const prefix = await measurePrefix(stateline, small, rounds);
    print("tiny-mamba, 1 rank: a prompt whose first 2048 tokens, or a few more, another had", {
      "first token, warm over cold": prefix.warm.median,
      "first token, keeping states over not": prefix.keeping.median,
      "first token cold, ms": prefix.coldMs.median,
      "first token warm, ms": prefix.warmMs.median,
      "snapshot, ms": prefix.snapshotMs.median,
      "fork, ms": prefix.forkMs.median,
    });
    return prefix;
  },
};

const wanted = values.only?.split(",") ?? Object.keys(measurements);
const unknown = wanted.find((name) => !Object.hasOwn(measurements, name));
if (unknown !== undefined) {
  process.stderr.write(`--only takes some of ${Object.keys(measurements).join(",")}, got ${unknown}\n`);
  process.exit(2);
}
const load = loadavg()[0]; // of others: what disturbs the figures
const figures = {};
for (const name of wanted) figures[name] = await measurements[name]();

if (values.save) {
  const { date, machine, isa } = provenance();
  const name = `${date}-${machine}-${isa}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const file = join(root, "bench/results", `${name}.json`);
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  mkdirSync(join(root, "bench/results"), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ date, machine, isa, rounds, load, command, ...figures }, null, 2)}\n`);
  process.stdout.write(`kept in ${file}\n`);
}
