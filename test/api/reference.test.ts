/** Sampling, log-probabilities, perplexity and embeddings are those of transformers (test/fixtures/reference/make.py). */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { loadModel, type Model } from "../../kernel/api/index";
import { root } from "../support/fixtures";
import { uniform } from "../support/uniform";

interface Step {
  readonly tokens: number[];
  /** Ids that the reference's processors left, ascending, and their log-probabilities. */
  readonly kept: number[];
  readonly logprobs: number[];
}

interface Expected {
  readonly prompt: number[];
  readonly tokens: number[];
  readonly sampling: { readonly options: Readonly<Record<string, number>>; readonly steps: Step[] }[];
  readonly greedy: {
    readonly penalty: number;
    readonly tokens: number[];
    readonly logprobs: number[];
    readonly top: { readonly tokens: number[]; readonly logprobs: number[] }[];
  }[];
  readonly perplexity: { readonly window: number; readonly stride: number; readonly losses: number[] }[];
  readonly hidden: { readonly norms: number[]; readonly first: number[] };
}

const reference = JSON.parse(readFileSync(join(root, "test/fixtures/reference/reference.json"), "utf8")) as {
  readonly prompt: string;
  readonly text: string;
  readonly models: Readonly<Record<string, Expected>>;
};

/** The token that a draw at `share` of the whole takes, in the order of ids; undefined where it is too near another. */
function drawn({ kept, logprobs }: Step, share: number): number | undefined {
  let passed = 0;
  for (const [i, logprob] of logprobs.entries()) {
    passed += Math.exp(logprob);
    if (Math.abs(passed - share) < 1e-4) return undefined;
    if (passed > share) return kept[i];
  }
  return kept.at(-1);
}

describe.each(
  Object.entries(reference.models).flatMap(([name, expected]) => [1, 2].map((ranks) => ({ name, ranks, expected }))),
)("$name on $ranks ranks", ({ name, ranks, expected }) => {
  let model: Model;
  beforeAll(async () => {
    const options = { tensorParallel: ranks, computeType: "f32", threadsPerRank: 1 } as const;
    model = await loadModel(join(root, "models", name), options);
  });
  afterAll(() => model.close());

  test.each(expected.sampling.map((one) => [JSON.stringify(one.options), one] as const))(
    "draws with %s from the tokens that the reference's processors leave, with their probabilities",
    async (_, { options, steps }) => {
      const { temperature, top_k: topK, top_p: topP, min_p: minP, repetition_penalty: repetitionPenalty } = options;
      const given = Object.entries({ temperature, topK, topP, minP, repetitionPenalty });
      const sampling = Object.fromEntries(given.filter(([, value]) => value !== undefined));
      let compared = 0;
      for (const step of steps) {
        for (let seed = 0; seed < 24; seed++) {
          const token = drawn(step, uniform(seed, 0));
          if (token === undefined) continue;
          const { tokens } = await model.generate(step.tokens, { ...sampling, seed, maxNewTokens: 1 });
          expect([step.tokens.length, seed, ...tokens]).toEqual([step.tokens.length, seed, token]);
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(60);
    },
  );

  test.each(expected.greedy)("with a repetition penalty of $penalty says the reference's tokens", async (one) => {
    const { penalty: repetitionPenalty, top } = one;
    const options = { repetitionPenalty, maxNewTokens: one.tokens.length, stopTokens: [], logprobs: 5 };
    const { tokens, logprobs = [] } = await model.generate(reference.prompt, options);
    expect(tokens).toEqual(one.tokens);
    for (const [i, likelihood] of logprobs.entries()) {
      expect(likelihood.logprob).toBeCloseTo(one.logprobs[i] ?? NaN, 4);
      expect(likelihood.top.map(({ token }) => token)).toEqual(top[i]?.tokens);
      for (const [k, { logprob }] of likelihood.top.entries())
        expect(logprob).toBeCloseTo(top[i]?.logprobs[k] ?? NaN, 4);
    }
  });

  test.each(expected.perplexity)("scores windows of $window every $stride as the reference", async (one) => {
    const { window, stride, losses } = one;
    const { windowNll, windows, tokens, nll } = await model.perplexity(reference.text, { window, stride });
    expect([windows, tokens]).toEqual([losses.length, expected.tokens.length]);
    let scored = 0;
    for (const [w, loss] of losses.entries()) {
      const length = Math.min(window, tokens - w * stride);
      const targets = length - (w === 0 ? 1 : Math.max(1, window - stride));
      scored += targets;
      expect((windowNll[w] ?? NaN) / targets).toBeCloseTo(loss, 4);
    }
    expect(nll).toBeCloseTo(windowNll.reduce((sum, loss) => sum + loss, 0) / scored, 9);
  });

  test("embeds a prompt as the reference's last hidden state", async () => {
    expect([...(model.tokenizer?.encode(reference.prompt) ?? [])]).toEqual(expected.prompt);
    const states = await model.embeddings(reference.prompt);
    const { hidden } = model.config;
    for (const [i, norm] of expected.hidden.norms.entries()) {
      const row = states.subarray(i * hidden, (i + 1) * hidden);
      expect(Math.hypot(...row)).toBeCloseTo(norm, 3);
      expect(row[0]).toBeCloseTo(expected.hidden.first[i] ?? NaN, 3);
    }
  });
});
