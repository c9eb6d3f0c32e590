/** Sampling and log-probabilities against a plain implementation that reads the model's logits. */

import { loadModel, type GenerateOptions, type Model } from "../../kernel/api/index";
import { tinyMamba } from "../support/fixtures";
import { uniform } from "../support/uniform";

const prompt = "Sherlock Holmes took the paper. Holmes took";
let models: Model[] = [];
beforeAll(async () => {
  models = await Promise.all(
    [1, 2, 4].map((tensorParallel) => loadModel(tinyMamba, { tensorParallel, computeType: "f32", threadsPerRank: 1 })),
  );
});
afterAll(() => Promise.all(models.map((model) => model.close())));

/** Penalty, temperature, top k, top p, min p in transformers' order, then a draw in the order of ids. */
function reference(logits: Float32Array, before: readonly number[], ordinal: number, options: GenerateOptions): number {
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, seed = 0 } = options;
  const values = Array.from(logits);
  for (const id of new Set(before)) {
    const logit = values[id] ?? NaN;
    values[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
  }
  let list = values.map((logit, id) => ({ logit, id })).sort((a, b) => b.logit - a.logit || a.id - b.id);
  const [best] = list;
  if (!best || temperature === 0) return best?.id ?? -1;
  if (topK > 0) list = list.slice(0, topK);
  const weighed = list.map(({ logit, id }) => ({ id, weight: Math.exp((logit - best.logit) / temperature) }));
  const sum = weighed.reduce((total, { weight }) => total + weight, 0);
  let kept = 0;
  const cut = weighed.findIndex(({ weight }) => (kept += weight) >= topP * sum);
  const rest = weighed
    .slice(0, topP < 1 && cut >= 0 ? cut + 1 : undefined)
    .filter(({ weight }) => weight >= minP)
    .sort((a, b) => a.id - b.id);
  const target = uniform(seed, ordinal) * rest.reduce((total, { weight }) => total + weight, 0);
  let passed = 0;
  return (rest.find(({ weight }) => (passed += weight) > target) ?? rest.at(-1))?.id ?? -1;
}

const cases: GenerateOptions[] = [
  { repetitionPenalty: 1.3 },
  { repetitionPenalty: 1.1, temperature: 0.8, seed: 1 },
  { temperature: 1.2, minP: 0.08, seed: 2 },
  { temperature: 1.5, topK: 40, topP: 0.9, minP: 0.02, seed: 3 },
  { temperature: 0.7, topP: 0.6, repetitionPenalty: 0.9, seed: 4 },
];

test.each(cases.map((one) => [JSON.stringify(one), one] as const))(
  "with %s every number of ranks gives the tokens of a plain implementation",
  async (_, options) => {
    const [model] = models;
    if (!model) throw new Error("no model");
    const { tokens } = await model.generate(prompt, { ...options, maxNewTokens: 40, stopTokens: [] });
    const before = [...(model.tokenizer?.encode(prompt) ?? [])];
    const { vocabulary } = model.config;
    const logits = await model.logits([...before, ...tokens]);
    const expected = tokens.map((_token, i) => {
      const row = before.length - 1 + i;
      const seen = [...before, ...tokens.slice(0, i)];
      return reference(logits.subarray(row * vocabulary, (row + 1) * vocabulary), seen, i, options);
    });
    expect(tokens).toEqual(expected);
    for (const other of models.slice(1)) {
      const generation = await other.generate(prompt, { ...options, maxNewTokens: 40, stopTokens: [] });
      expect(generation.tokens).toEqual(tokens);
    }
  },
);

test("log-probabilities are the log-softmax of the logits, in generate and stream, for every number of ranks", async () => {
  const options: GenerateOptions = { maxNewTokens: 12, temperature: 0.9, topK: 5, seed: 8, logprobs: 4 };
  for (const model of models) {
    const { tokens, logprobs = [], text } = await model.generate(prompt, options);
    expect(logprobs.map(({ token }) => token)).toEqual(tokens);
    expect(logprobs.map((one) => one.text).join("")).toBe(text);
    const before = [...(model.tokenizer?.encode(prompt) ?? [])];
    const { vocabulary } = model.config;
    const logits = await model.logits([...before, ...tokens]);
    for (const [i, { token, logprob, top }] of logprobs.entries()) {
      const begin = (before.length - 1 + i) * vocabulary;
      const row = Array.from(logits.subarray(begin, begin + vocabulary));
      const sum = Math.log(row.reduce((total, value) => total + Math.exp(value), 0));
      expect(logprob).toBeCloseTo((row[token] ?? NaN) - sum, 3);
      const order = row.map((_value, id) => id).sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0));
      expect(top.map((one) => one.token)).toEqual(order.slice(0, 4));
      for (const one of top) expect(one.logprob).toBeCloseTo((row[one.token] ?? NaN) - sum, 3);
    }
    const streamed = [];
    for await (const piece of model.stream(prompt, options)) streamed.push(piece.logprobs);
    expect(streamed).toEqual(logprobs);
  }
});

test("log-probabilities are only there when asked for, and 0 asks for the chosen token's alone", async () => {
  const [model] = models;
  expect(await model?.generate(prompt, { maxNewTokens: 2 })).not.toHaveProperty("logprobs");
  const own = await model?.generate(prompt, { maxNewTokens: 2, logprobs: 0 });
  expect(own?.logprobs?.map(({ top }) => top)).toEqual([[], []]);
});

test.each<[GenerateOptions, string]>([
  [{ minP: 1.5 }, "minP must be a number from 0 to 1, got 1.5"],
  [{ repetitionPenalty: 0 }, "repetitionPenalty must be"],
  [{ logprobs: -1 }, "logprobs must be an integer from 0 to 1000, got -1"],
  [{ stopTokens: [1.5] }, "stopTokens must be a list of token ids"],
])("%p is refused", async (options, message) => {
  await expect(models[0]?.generate(prompt, options)).rejects.toMatchObject({
    code: "E_OPTION_INVALID",
    message: expect.stringContaining(message) as unknown,
  });
});
