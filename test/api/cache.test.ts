/** The prefix cache changes how long a prompt takes, and nothing of what it gets. */

import * as fc from "fast-check";

import { loadModel, type LoadOptions, type Model } from "../../kernel/api/index";
import { stateBytes } from "../../kernel/api/model/cache";
import { goldenCase, tinyMamba } from "../support/fixtures";

async function withModel<T>(directory: string, options: LoadOptions, work: (model: Model) => Promise<T>): Promise<T> {
  await using model = await loadModel(directory, {
    computeType: "f32",
    allReduce: "f32",
    threadsPerRank: 1,
    ...options,
  });
  return await work(model);
}

const families = ["mamba-tiny", "falcon-odd", "zamba-odd"].flatMap((name) =>
  [1, 2].map((ranks) => [name, ranks] as const),
);

test.each(families)("%s on %i ranks answers a tree of prompts as if it had no cache", async (name, tensorParallel) => {
  const { directory } = await goldenCase(name);
  const room = await withModel(directory, {}, ({ config }) => Promise.resolve(stateBytes(config)));
  // Pieces of few kinds, one behind another: prompts that part at any token.
  const prompt = fc
    .array(fc.record({ first: fc.integer({ min: 0, max: 1 }), length: fc.integer({ min: 1, max: 60 }) }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((pieces) =>
      pieces.flatMap(({ first, length }) => Array.from({ length }, (_, i) => (first * 31 + i * 7) % 97)),
    );
  const trees = fc.record({
    prompts: fc.array(prompt, { minLength: 2, maxLength: 6 }),
    states: fc.constantFrom(3, 50),
  });
  await fc.assert(
    fc.asyncProperty(trees, ({ prompts, states }) =>
      withModel(directory, { tensorParallel, cacheBytes: states * room }, async (model) => {
        const options = { maxNewTokens: 3, logprobs: 3, stopTokens: [] };
        const plain = await model.generate(prompts, { ...options, cache: false });
        for (const batch of [prompts, prompts]) {
          const cached = await model.generate(batch, options);
          expect(cached.map(({ logprobs }) => logprobs)).toEqual(plain.map(({ logprobs }) => logprobs));
        }
        const { bytes, budget } = model.cacheStats;
        expect(bytes).toBeLessThanOrEqual(budget);
      }),
    ),
    { numRuns: 6 },
  );
});

test("a second prompt with the same beginning pays for its own tokens only, and the statistics say so", async () => {
  await withModel(tinyMamba, { tensorParallel: 2 }, async (model) => {
    const shared = Array.from({ length: 300 }, (_, i) => (i * 7919) % model.config.vocabulary);
    const options = { maxNewTokens: 2, stopTokens: [] };
    expect((await model.generate([...shared, 1, 2, 3], options)).cachedTokens).toBe(0);
    expect((await model.generate([...shared, 4, 5, 6], options)).cachedTokens).toBe(256);
    expect((await model.generate([...shared, 7, 8, 9], options)).cachedTokens).toBe(300);
    const session = model.session();
    await session.append([...shared, 1, 2, 3, 4]); // reads all but the last
    expect(model.cacheStats).toMatchObject({ lookups: 4, hits: 2, partialHits: 1, misses: { empty: 1, diverged: 0 } });
    await model.generate([9, ...shared], options);
    await model.generate(shared, { ...options, cache: false });
    const { misses, lastMiss } = model.cacheStats;
    expect(misses).toMatchObject({ diverged: 1, bypassed: 1 });
    expect(lastMiss).toEqual({ reason: "bypassed", token: 0 });
  });
});

test("a budget below one state is refused with what would do; 0 switches the cache off", async () => {
  const small = loadModel(tinyMamba, { cacheBytes: 1000 });
  await expect(small).rejects.toMatchObject({ code: "E_CACHE_BYTES", details: { got: 1000 } });
  await withModel(tinyMamba, { cacheBytes: 0 }, async (model) => {
    await model.generate([1, 2, 3, 4], { maxNewTokens: 1 });
    expect((await model.generate([1, 2, 3, 4], { maxNewTokens: 1 })).cachedTokens).toBe(0);
    expect(model.cacheStats).toMatchObject({ budget: 0, states: 0, kept: 0 });
  });
});
