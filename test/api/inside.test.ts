/** What researchers look at: hidden states behind layers, embeddings, perplexity with overlapping windows. */

import { join } from "node:path";

import { loadModel, plainText, type LoadOptions, type Model } from "../../kernel/api/index";
import { drawn } from "../../kernel/api/display";
import { drawTensor } from "../../kernel/api/draw/tensor";
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

test("what a model gives draws itself and stays the array it is", async () => {
  await withModel(tinyMamba, {}, async (model) => {
    const { vocabulary, hidden } = model.config;
    const logits = await model.logits([1, 2, 3]);
    expect(logits).toBeInstanceOf(Float32Array);
    expect(plainText(logits)).toMatch(
      new RegExp(`^logits: 3 tokens × ${vocabulary} vocabulary, f32\nfrom -?[\\d.]+ to `),
    );
    expect(plainText(logits)).toContain(String(Number(logits[0]?.toPrecision(4))));
    expect(plainText(await model.embeddings([1, 2]))).toContain(`embeddings: 2 tokens × ${hidden} hidden`);
    const states = await model.hiddenStates([1, 2], { layers: [-1, 3] });
    expect(plainText(states)).toMatch(/^embedding: 2 tokens[^]*\n\nhidden states behind layer 3: 2 tokens/);
  });
});

test("a tensor's drawing has its range, first values, a cell of colour a value, and says what is not finite", () => {
  const values = new Float32Array([0, 1, -1, 2, NaN, 0.5]);
  const bundle = drawn(drawTensor(values, 3, { title: "t", rows: "rows", columns: "columns" }));
  expect(bundle["text/plain"].split("\n")).toEqual([
    "t: 2 rows × 3 columns, f32",
    "from -1 to 2, mean 0.5; 1 not finite",
    "",
    "   0    1    2",
    "─  ─  ───  ───",
    "0  0    1   -1",
    "1  2  NaN  0.5",
  ]);
  const [, data = ""] = /src="data:image\/svg\+xml;base64,([^"]+)"/.exec(bundle["text/html"] ?? "") ?? [];
  const svg = Buffer.from(data, "base64").toString();
  const colours = new Map<string, string>();
  for (const [, path = "", colour = ""] of svg.matchAll(/<path d="([^"]+)" stroke="([^"]+)"/g))
    for (const [, x = "", y = ""] of path.matchAll(/M(\d+) (\d+)\.5h1/g)) colours.set(`${y},${x}`, colour);
  expect(Object.fromEntries(colours)).toEqual({
    "0,0": "#f4f5f6", // 0
    "0,1": "#eab399", // half of the largest
    "0,2": "#8fb7de",
    "1,0": "#e0713c", // the largest
    "1,1": "#f4f5f6", // NaN counts for nothing
    "1,2": "#edc9b8", // a quarter: two sixths, the next colour
  });
});
