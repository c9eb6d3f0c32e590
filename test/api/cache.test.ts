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

// Pieces of few kinds, one behind another: prompts that part at any token.
const prompt: fc.Arbitrary<number[]> = fc
  .array(fc.record({ first: fc.integer({ min: 0, max: 1 }), length: fc.integer({ min: 1, max: 60 }) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((pieces) => pieces.flatMap(({ first, length }) => Array.from({ length }, (_, i) => (first * 31 + i * 7) % 97)));

const families = ["mamba-tiny", "falcon-odd", "zamba-odd"].flatMap((name) =>
  [1, 2].map((ranks) => [name, ranks] as const),
);

test.each(families)("%s on %i ranks answers a tree of prompts as if it had no cache", async (name, tensorParallel) => {
  const { directory } = await goldenCase(name);
  const room = await withModel(directory, {}, ({ config }) => Promise.resolve(stateBytes(config)));
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

/** What the cache does, said plainly: which beginnings it knows, of which it has states, and what a lookup then gives. */
class PlainCache {
  readonly #known: (readonly number[])[] = [];
  readonly #kept = new Set<string>();
  readonly stats = {
    ...{ lookups: 0, hits: 0, partialHits: 0, tokensReused: 0, tokensComputed: 0, kept: 0, states: 0, evictions: 0 },
    misses: { bypassed: 0, tooShort: 0, empty: 0, diverged: 0, evicted: 0, noState: 0 },
  };

  constructor(readonly interval: number) {}

  /** Tokens of `tokens` that need not be computed. */
  find(tokens: readonly number[]): number {
    const most = tokens.length - 1; // the last gives the first logits
    const known = Math.max(0, ...this.#known.map((other) => common(other, tokens)));
    let start = most;
    while (start > 0 && !this.#kept.has(tokens.slice(0, start).join())) start--;
    const { stats } = this;
    stats.lookups++;
    stats.tokensReused += start;
    stats.tokensComputed += tokens.length - start;
    if (start > 0) stats[start === Math.min(known, most) ? "hits" : "partialHits"]++;
    else if (most === 0) stats.misses.tooShort++;
    else if (this.#kept.size === 0) stats.misses.empty++;
    else stats.misses[known < most ? "diverged" : "noState"]++;
    for (let at = start + 1; at <= most; at++) {
      if (at % this.interval === 0 || at === known || at === most) this.#keep(tokens.slice(0, at));
    }
    return start;
  }

  end(tokens: readonly number[]): void {
    this.#keep(tokens);
    this.#known.push(tokens);
  }

  #keep(tokens: readonly number[]): void {
    this.#kept.add(tokens.join());
    this.stats.kept = this.stats.states = this.#kept.size;
  }
}

function common(a: readonly number[], b: readonly number[]): number {
  const parting = a.findIndex((token, index) => token !== b[index]);
  return parting === -1 ? a.length : parting;
}

test("every prompt reuses the longest beginning that a state was kept of, and every count and reason is true", async () => {
  const { directory } = await goldenCase("mamba-tiny");
  await fc.assert(
    fc.asyncProperty(fc.array(prompt, { minLength: 3, maxLength: 12 }), (prompts) =>
      withModel(directory, {}, async (model) => {
        const plain = new PlainCache(model.cacheStats.interval);
        for (const [index, tokens] of prompts.entries()) {
          // Now and then one token, and the beginning of the one before.
          const asked = index % 5 === 4 ? tokens.slice(0, 1 + (index % 3) * 20) : tokens;
          const options = { maxNewTokens: 1 + (index % 3), stopTokens: [], temperature: index % 2, seed: index };
          const expected = plain.find(asked);
          const { cachedTokens, tokens: made } = await model.generate(asked, options);
          expect(cachedTokens).toBe(expected);
          plain.end([...asked, ...made].slice(0, -1));
          expect(model.cacheStats).toMatchObject(plain.stats);
        }
      }),
    ),
    { numRuns: 20 },
  );
});

test("what saved much work or was used last stays longest", async () => {
  const { directory } = await goldenCase("mamba-tiny");
  const room = await withModel(directory, {}, ({ config }) => Promise.resolve(stateBytes(config)));
  // A prompt leaves two states, of which the one behind its last token saves that token alone.
  await withModel(directory, { cacheBytes: 6 * room }, async (model) => {
    const ask = async (first: number, length: number): Promise<number> => {
      const tokens = Array.from({ length }, (_, i) => (first * 11 + i * 7) % 97);
      return (await model.generate(tokens, { maxNewTokens: 1, stopTokens: [] })).cachedTokens;
    };
    await ask(1, 300);
    for (const first of [2, 3, 4]) await ask(first, 30);
    expect(await ask(2, 30)).toBe(29); // used: stays longer than the next
    for (const first of [5, 6]) await ask(first, 30);
    expect(await ask(2, 30)).toBe(29);
    expect(await ask(3, 30)).toBe(0);
    expect(await ask(1, 300)).toBe(299);
    const { bytes, budget, misses, lastMiss } = model.cacheStats;
    expect(bytes).toBeLessThanOrEqual(budget);
    expect(misses).toMatchObject({ empty: 1, diverged: 5, evicted: 1 });
    expect(lastMiss?.reason).toBe("evicted");
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
