// How much faster two ranks of one thread are than one: a prefill of 512 tokens, and a decode of 8 sequences side by side.
// Beside it the machine's own bound: two models that know nothing of each other, each on one thread, do the work twice.
// What the cores share (memory, cache, clock) slows those as much; ranks can only add waiting and what both compute.
// In bf16 and in int8, whose weights are half the bytes: a batch's decode in bf16 may wait for memory, which cores share.
import { spread } from "./statistics.mjs";

const batch = 8;
const newTokens = 33;

export async function measureScaling(stateline, directory, rounds) {
  return [
    ...(await measure(stateline, directory, rounds, "bf16")),
    ...(await measure(stateline, directory, rounds, "int8")),
  ];
}

async function measure(stateline, directory, rounds, computeType) {
  const load = (tensorParallel) =>
    stateline.loadModel(directory, { tensorParallel, threadsPerRank: 1, computeType, cacheBytes: 0 });
  const models = [];
  try {
    for (const ranks of [1, 2, 1]) models.push(await load(ranks));
    const [one, two, beside] = models;
    const prompt = Array.from({ length: 512 }, (_, index) => (index * 7919) % one.config.vocabulary);
    const works = {
      "prefill 512": async (model) => (await model.generate(prompt, { maxNewTokens: 1, stopTokens: [] })).ttftMs,
      "decode, 8 together": async (model) => {
        const prompts = prompt.slice(0, batch).map((token) => [token]);
        const results = await model.generate(prompts, { maxNewTokens: newTokens, stopTokens: [] });
        return Math.max(...results.map((one) => 1000 / one.decodeTokensPerSecond));
      },
    };
    const figures = [];
    for (const [what, work] of Object.entries(works)) {
      const samples = { oneMs: [], twoMs: [], speedUp: [], bound: [] };
      // One round more than counted: the first touches the weights.
      for (let round = 0; round <= rounds; ++round) {
        const ways = [() => work(one), () => work(two), () => Promise.all([work(one), work(beside)])];
        const times = [];
        for (let turn = 0; turn < ways.length; ++turn) {
          const way = (turn + round) % ways.length;
          times[way] = await ways[way]();
        }
        if (round === 0) continue;
        const [oneMs, twoMs, both] = times;
        samples.oneMs.push(oneMs);
        samples.twoMs.push(twoMs);
        samples.speedUp.push(oneMs / twoMs);
        samples.bound.push((2 * oneMs) / Math.max(...both));
      }
      const all = Object.entries(samples).map(([name, values]) => [name, spread(values)]);
      figures.push({ what, computeType, ...Object.fromEntries(all) });
    }
    return figures;
  } finally {
    for (const model of models) await model.close();
  }
}
