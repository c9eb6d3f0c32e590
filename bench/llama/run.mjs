// llama.cpp beside Stateline on one machine, in interleaved rounds, as ratios of medians.
//
//   node bench/llama/run.mjs --bench llama-bench --batched llama-batched-bench --model mamba-130m bf16=m.gguf int8=m-q8_0.gguf
//
// --model    a shape that `stateline models make --like` knows, or a directory of ours
// TYPE=FILE  the peer's model for our compute type: bf16 beside its bf16 or f16, int8 beside its q8_0;
//            gguf_of.py makes them
// --threads  of both, 2 unless given; --rounds, 5 unless given; --batched may be left out, and the batch with it
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { spread } from "../engine/statistics.mjs";
import { ensureBuilt } from "../../scripts/ensure.mjs";
import { root } from "../../scripts/lib.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bench: { type: "string" },
    batched: { type: "string" },
    model: { type: "string", default: "mamba-130m" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
});
const [threads, rounds] = [Number(values.threads), Number(values.rounds)];
const pairs = positionals.map((text) => text.split("="));
const whole = (value) => Number.isInteger(value) && value > 0;
if (
  !values.bench ||
  pairs.length === 0 ||
  pairs.some((pair) => pair.length !== 2) ||
  !whole(threads) ||
  !whole(rounds)
) {
  process.stderr.write(
    "usage: run.mjs --bench FILE [--batched FILE] [--model SHAPE|DIR] [--threads N] [--rounds N] TYPE=GGUF …\n",
  );
  process.exit(2);
}

await ensureBuilt();
const require = createRequire(import.meta.url);
const stateline = require("../../dist/kernel/api/index.js");

async function ours() {
  if (existsSync(join(values.model, "config.json"))) return values.model;
  const out = join(root, "build/bench", values.model);
  if (!existsSync(join(out, "config.json"))) await stateline.makeModel({ like: values.model, out });
  return out;
}

const run = (file, args) => execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const lines = (text) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));

function theirs(gguf) {
  const tests = lines(
    run(values.bench, ["-m", gguf, "-t", values.threads, "-p", "512", "-n", "128", "-r", "1", "-o", "jsonl"]),
  );
  const rate = (test) => tests.find(test)?.avg_ts ?? NaN;
  const result = { prefill: rate(({ n_prompt }) => n_prompt === 512), decode: rate(({ n_gen }) => n_gen === 128) };
  if (!values.batched) return result;
  const args = [
    "-m",
    gguf,
    "-t",
    values.threads,
    "-c",
    "2048",
    "-npp",
    "1",
    "-ntg",
    "32",
    "-npl",
    "16",
    "--output-format",
    "jsonl",
  ];
  return { ...result, batch: lines(run(values.batched, args))[0]?.speed_tg ?? NaN };
}

async function own(model) {
  const prompt = Array.from({ length: 512 }, (_, i) => (i * 7919) % model.config.vocabulary);
  const prefill = await model.generate(prompt, { maxNewTokens: 1, stopTokens: [] });
  const decode = await model.generate([prompt[0]], { maxNewTokens: 129, stopTokens: [] });
  const result = { prefill: prefill.prefillTokensPerSecond, decode: decode.decodeTokensPerSecond };
  if (!values.batched) return result;
  const prompts = prompt.slice(0, 16).map((token) => [token]);
  const batch = await model.generate(prompts, { maxNewTokens: 33, stopTokens: [] });
  return { ...result, batch: batch.reduce((sum, { decodeTokensPerSecond }) => sum + decodeTokensPerSecond, 0) };
}

const directory = await ours();
const results = [];
for (const [computeType, gguf] of pairs) {
  const model = await stateline.loadModel(directory, { computeType, threadsPerRank: threads, cacheBytes: 0 });
  const samples = [];
  try {
    await own(model); // touches weights and buffers
    for (let round = 0; round < rounds; ++round) samples.push({ ours: await own(model), theirs: theirs(gguf) });
  } finally {
    await model.close();
  }
  for (const what of Object.keys(samples[0].ours)) {
    const mine = spread(samples.map(({ ours }) => ours[what]));
    const peer = spread(samples.map(({ theirs }) => theirs[what]));
    results.push({
      computeType,
      peer: basename(gguf),
      what,
      stateline: mine,
      "llama.cpp": peer,
      ratio: mine.median / peer.median,
    });
  }
}

if (values.json) {
  process.stdout.write(`${JSON.stringify({ model: values.model, threads, rounds, results })}\n`);
} else {
  process.stdout.write(
    `${values.model}, ${threads} threads, tokens/s, median (min-max) of ${rounds} interleaved rounds\n`,
  );
  console.table(
    results.map(({ computeType, peer, what, stateline: mine, ratio, ...rest }) => ({
      weights: computeType,
      peer,
      what,
      stateline: mine.text,
      "llama.cpp": rest["llama.cpp"].text,
      ratio: ratio.toFixed(2),
    })),
  );
}
