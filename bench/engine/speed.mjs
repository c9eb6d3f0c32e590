// Prefill of 512 tokens, decode of 128, and 16 sequences that decode side by side, each in rounds that take the set-ups in turn, so that a slow minute of the
// machine meets all of them. Neither tokenisation nor loading is in the times; prefill computes the last token's logits.
import { spread } from "./statistics.mjs";

const together = 16;

const setups = [
  { tensorParallel: 1, threadsPerRank: 1 },
  { tensorParallel: 2, threadsPerRank: 1 },
  { tensorParallel: 1, threadsPerRank: 2 },
];

export async function measureSpeed(stateline, directory, rounds) {
  const models = [];
  try {
    for (const setup of setups)
      models.push(await stateline.loadModel(directory, { ...setup, computeType: "bf16", cacheBytes: 0 }));
    const vocabulary = models[0].config.vocabulary;
    const prompt = Array.from({ length: 512 }, (_, index) => (index * 7919) % vocabulary);
    const figures = setups.map(() => ({ prefill: [], decode: [], batch: [] }));
    // One round more than counted: the first touches the weights.
    for (let round = 0; round <= rounds; ++round) {
      for (const [index, model] of models.entries()) {
        const prefilled = await model.generate(prompt, { maxNewTokens: 1, stopTokens: [] });
        const decoded = await model.generate([prompt[0]], { maxNewTokens: 129, stopTokens: [] });
        const prompts = Array.from({ length: together }, (_, i) => [prompt[i]]);
        const batch = await model.generate(prompts, { maxNewTokens: 33, stopTokens: [] });
        if (round === 0) continue;
        figures[index].prefill.push(prefilled.prefillTokensPerSecond);
        figures[index].decode.push(decoded.decodeTokensPerSecond);
        figures[index].batch.push(batch.reduce((sum, { decodeTokensPerSecond }) => sum + decodeTokensPerSecond, 0));
      }
      process.stdout.write(`round ${round} of ${rounds}\r`);
    }
    return setups.map(({ tensorParallel, threadsPerRank }, index) => ({
      ranks: tensorParallel,
      threadsPerRank,
      prefill: spread(figures[index].prefill),
      decode: spread(figures[index].decode),
      batch: spread(figures[index].batch),
    }));
  } finally {
    for (const model of models) await model.close();
  }
}
