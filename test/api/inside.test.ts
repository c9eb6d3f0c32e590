/** What researchers look at: hidden states behind layers, embeddings, perplexity with overlapping windows. */

import { join } from "node:path";

import { loadModel, type LoadOptions, type Model } from "../../kernel/api/index";
import { degreesOf, difference, floatTensors, golden, goldenCase, tinyMamba } from "../support/fixtures";

async function withModel<T>(directory: string, options: LoadOptions, work: (model: Model) => Promise<T>): Promise<T> {
  await using model = await loadModel(directory, { computeType: "f32", threadsPerRank: 1, ...options });
  return await work(model);
}

test.each(["mamba-odd", "falcon-tiny", "zamba-tiny"])(
  "hidden states of %s are the reference's behind every layer, at every number of ranks and in chunks",
  async (name) => {
    const { directory, prompts } = await goldenCase(name);
    const tokens = prompts[0]?.tokens ?? [];
    const expected = await floatTensors(join(golden, name, "expected.safetensors"));
    for (const tensorParallel of degreesOf(name)) {
      await withModel(directory, { tensorParallel }, async (model) => {
        const { layers } = model.config;
        const zamba = name.startsWith("zamba");
        // transformers lists Zamba's embedding and not its last layer, the others' layers and not their embedding.
        const list = Array.from({ length: layers }, (_, index) => (zamba ? index - 1 : index));
        for (const chunk of [512, 7]) {
          const states = await model.hiddenStates(tokens, { layers: list, chunk });
          for (const [index, values] of states.entries()) {
            expect(difference(values, expected.get(`hidden.${index}`) ?? new Float32Array()).max).toBeLessThan(1e-4);
          }
          const final = await model.embeddings(tokens, { chunk });
          expect(difference(final, expected.get(`hidden.${layers}`) ?? new Float32Array()).max).toBeLessThan(1e-4);
        }
      });
    }
  },
);

test("hidden states are given for the layers asked for, in their order, and all layers unless asked", async () => {
  await withModel(tinyMamba, { tensorParallel: 2 }, async (model) => {
    const { layers, hidden } = model.config;
    const all = await model.hiddenStates("Sherlock Holmes took");
    expect(all.map(({ length }) => length)).toEqual(new Array(layers).fill(5 * hidden));
    const [last, first, again] = await model.hiddenStates("Sherlock Holmes took", { layers: [layers - 1, 0, 0] });
    expect([last, first, again]).toEqual([all.at(-1), all[0], all[0]]);
    await expect(model.hiddenStates([1], { layers: [layers] })).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
    await expect(model.hiddenStates([1], { layers: [] })).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
    await expect(model.embeddings("")).rejects.toMatchObject({ code: "E_PROMPT_EMPTY" });
    const long = new Array<number>(60_000).fill(17);
    const signal = AbortSignal.timeout(30);
    await expect(model.embeddings(long, { signal })).rejects.toMatchObject({ code: "E_ABORTED" });
  });
});

test.each([
  [10, 10],
  [10, 4],
  [9, 1],
  [64, 16],
])(
  "perplexity in windows of %d every %d scores each token once, with what its window shows it",
  async (window, stride) => {
    await withModel(tinyMamba, { tensorParallel: 2 }, async (model) => {
      const text = "Mr. Sherlock Holmes, who was usually very late in the mornings, was seated at the breakfast table.";
      const tokens = [...(model.tokenizer?.encode(text, { special: false }) ?? [])];
      const { vocabulary } = model.config;
      let loss = 0;
      let scored = 0;
      let windows = 0;
      for (let begin = 0, before = 0; before < tokens.length; begin += stride, windows++) {
        const part = tokens.slice(begin, begin + window);
        const logits = await model.logits(part);
        for (let i = Math.max(1, before - begin); i < part.length; i++) {
          const row = Array.from(logits.subarray((i - 1) * vocabulary, i * vocabulary));
          loss += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - (row[part[i] ?? 0] ?? NaN);
          scored++;
        }
        before = begin + part.length;
      }
      const result = await model.perplexity(text, { window, stride });
      expect(result).toMatchObject({ windows, scoredTokens: scored, tokens: tokens.length });
      expect(result.nll).toBeCloseTo(loss / scored, 4);
      expect(result.bitsPerByte).toBeGreaterThan(0);
    });
  },
);

test("a stride above the window is refused", async () => {
  await withModel(tinyMamba, {}, async (model) => {
    await expect(model.perplexity("A text", { window: 4, stride: 5 })).rejects.toMatchObject({
      code: "E_OPTION_INVALID",
      message: "stride must be at most window = 4, got 5",
    });
  });
});
