// What a GPU should reach, written down before it is asked: bytes over bandwidth and operations over peak, by the shapes
// alone. Usage: node bench/gpu/predict.mjs writes bench/results/gpu-predictions.json, --check compares with it; --tiny
// prints those of the shapes of run.sh --dry-run, whose rows table.mjs holds against what the programs count.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, root } from "../../scripts/lib.mjs";

const file = join(root, "bench/results/gpu-predictions.json");

/** By data sheets of the SXM cards: bytes/s, and operations/s in f32 without and in bf16 with tensor cores. */
const gpus = {
  H100: { bandwidth: 3.35e12, plain: 67e12, tensor: 989e12 },
  H200: { bandwidth: 4.8e12, plain: 67e12, tensor: 989e12 },
};
/** Shares of the data sheet taken as reachable, and microseconds that launches cost. */
const assumed = {
  bandwidth: 0.85,
  arithmetic: 0.5,
  launchUs: 2.5, // of the host, for one kernel
  gapUs: 1.3, // between kernels of a graph
  stepUs: 30, // outside a step's graph: inputs, logits, sampling
  meetingUs: 5, // of the ranks' threads on the host
};

const published = {
  mixer: { inner: 5120, states: 16, taps: 4, dtRank: 160, hidden: 2560, prefill: 2048, copyBytes: 2 ** 30 },
  sums: [10, 12, 14, 16, 18, 20, 22, 24].map((power) => 2 ** power),
  models: [
    { model: "mamba-130m", hidden: 768, layers: 24, vocabulary: 50280, prompt: 512, ranks: [1, 2, 4] },
    { model: "mamba-2.8b", hidden: 2560, layers: 64, vocabulary: 50280, prompt: 512, ranks: [1, 2, 4] },
    { model: "falcon-mamba-7b", hidden: 4096, layers: 64, vocabulary: 65024, prompt: 512, ranks: [1, 2], normed: true },
    { model: "zamba-7b", hidden: 3712, layers: 76, vocabulary: 32000, prompt: 512, ranks: [1, 2], hybrid: 13 },
  ],
};
const tiny = {
  mixer: { inner: 64, states: 8, taps: 4, dtRank: 8, hidden: 48, prefill: 33, copyBytes: 2 ** 16 },
  sums: [8, 10].map((power) => 2 ** power),
  models: [
    { model: "tiny-mamba", hidden: 48, layers: 2, vocabulary: 301, prompt: 8, ranks: [1, 2] },
    { model: "tiny-zamba", hidden: 48, layers: 3, vocabulary: 301, prompt: 6, ranks: [2], hybrid: 1 },
  ],
};

const moveUs = (gpu, bytes) => (bytes / (gpu.bandwidth * assumed.bandwidth)) * 1e6;
const computeUs = (peak, flops) => (flops / (peak * assumed.arithmetic)) * 1e6;
const padded = (bytes) => Math.ceil(bytes / 64) * 64; // as messages are
const rounded = (value) => Number(value.toPrecision(3));

/** Bytes that each op must move once and operations that it must do, of one launch. */
function kernels({ inner: d, states: n, taps: k, dtRank: r, hidden: h, prefill: t, copyBytes }, gpu) {
  const rows = [["copy", 2 * copyBytes, 0]];
  for (const count of [1, 16]) {
    rows.push([`conv1d_update, ${count} sequences`, count * d * 4 * (3 * k), count * d * (2 * k + 4)]);
    const states = 2 * n * d * 4 + 3 * d * 4 + (r + 2 * n) * 4;
    rows.push([
      `state_update, ${count} sequences`,
      count * states + n * d * 4 + d * r * 2,
      count * d * (7 * n + 12 + 2 * r),
    ]);
  }
  rows.push([`conv1d, ${t} tokens`, t * d * 8, t * d * (2 * k + 4)]);
  rows.push([`selective_scan, ${t} tokens`, t * (4 * d + 2 * n) * 4, t * d * (7 * n + 12)]);
  for (const count of [1, 4, 16])
    rows.push([`gemv bf16, ${count} rows`, d * h * 2 + count * (d + h) * 4, 2 * count * d * h]);
  for (const [wire, bytes] of [
    ["f16", padded(t * h * 2)],
    ["int8", padded(t * h) + t * Math.ceil(h / 128) * 4],
  ]) {
    rows.push([`encode ${wire}`, t * h * 4 + bytes, 0], [`decode_sum of 2 ${wire}`, t * h * 4 + 2 * bytes, t * h]);
  }
  return rows.map(([kernel, bytes, flops]) => ({
    kernel,
    bytes,
    flops,
    predictedUs: rounded(Math.max(assumed.launchUs, moveUs(gpu, bytes), computeUs(gpu.plain, flops))),
  }));
}

/** Sums of ranks that share one GPU: all their messages cross its memory. */
function sums(sizes, gpu) {
  const width = { f32: 4, f16: 2, bf16: 2, int8: 1 + 4 / 128 };
  return [2, 4].flatMap((ranks) =>
    Object.entries(width).flatMap(([wire, each]) =>
      sizes.map((count) => {
        const twoShot = ranks > 2 && count >= 8192;
        const written = count * (4 + each); // read as f32 and encoded, by each rank
        const summed = twoShot ? 2 * each * count + count * 4 : count * (ranks * each + 4);
        const moved = moveUs(gpu, ranks * (written + summed) + (twoShot ? count * each : 0));
        const launches = twoShot ? 3 : 2;
        return {
          link: "shared",
          ranks,
          wire,
          bytes: count * 4,
          predictedUs: rounded(moved + launches * assumed.launchUs + (launches - 1) * assumed.meetingUs),
          predictedGraphUs: rounded(moved + launches * assumed.gapUs),
        };
      }),
    ),
  );
}

/** Of one sequence, all ranks on one GPU: its memory's bandwidth is what they share. */
function models(shapes, gpu) {
  return shapes.flatMap(({ model, hidden: h, layers, vocabulary, prompt, ranks, normed, hybrid = 0 }) => {
    const d = 2 * h;
    const mixer = 2 * d * h + d * (h / 16 + 32) + (d * h) / 16 + d * h;
    const shared = 3 * d * d + d * h + 3 * (4 * h) * h; // attention of width 2h and MLP, which each hybrid layer reads
    const linear = hybrid * h * h;
    const stored = layers * mixer + linear + (hybrid && shared);
    const computed = layers * mixer + linear + hybrid * shared;
    const launched = layers * (normed ? 10 : hybrid ? 9 : 7) + 13 * hybrid;
    return ranks.map((count) => {
      const collectives = count > 1 ? 2 * (2 * layers + 2 * hybrid) : 0; // two kernels each
      const bytesUs = moveUs(gpu, 2 * (computed + vocabulary * h));
      const graph = bytesUs + (launched + collectives) * assumed.gapUs + assumed.stepUs;
      const single = Math.max(graph, (launched + collectives) * assumed.launchUs + assumed.stepUs);
      // Beside the products a layer's activations cross memory some twenty times, in f32.
      const activations = moveUs(gpu, layers * 20 * d * 4 * prompt);
      const prefill = (peak) => (prompt / (computeUs(peak, 2 * computed * prompt) + activations)) * 1e6;
      return {
        model,
        ranks: count,
        weightGb: rounded((2 * (stored + vocabulary * h)) / 1e9),
        predictedTtftMs: rounded((prompt / prefill(gpu.tensor)) * 1e3 + graph / 1e3),
        predictedPrefill: rounded(prefill(gpu.tensor)),
        predictedPrefillWithoutCublas: rounded(prefill(gpu.plain)),
        predictedDecode: rounded(1e6 / graph),
        predictedWithoutGraphs: rounded(1e6 / single),
      };
    });
  });
}

const of = (shapes) =>
  Object.fromEntries(
    Object.entries(gpus).map(([name, gpu]) => [
      name,
      { kernels: kernels(shapes.mixer, gpu), sums: sums(shapes.sums, gpu), models: models(shapes.models, gpu) },
    ]),
  );
/** One row a line. */
const text = (predictions) =>
  `${JSON.stringify({ assumed, gpus, predictions }, null, 1).replace(/\{([^{}]*)\}/g, (row) => row.replace(/\n\s*/g, " "))}\n`;

if (process.argv.includes("--tiny")) process.stdout.write(text(of(tiny)));
else if (!process.argv.includes("--check")) writeFileSync(file, text(of(published)));
else if (readFileSync(file, "utf8") !== text(of(published)))
  fail("bench/results/gpu-predictions.json is not what its shapes give: run `node bench/gpu/predict.mjs`.");
