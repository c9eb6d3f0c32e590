/** Every case of the golden values, at every degree, in f32 and bf16, however the prompt is prefilled. */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { textTable } from "../../kernel/api/draw/table";
import { addon } from "../../kernel/api/addon";
import type { LoadOptions, Model } from "../../kernel/api/index";
import { loadModel } from "../../kernel/api/index";
import { cli } from "../support/cli";
import { degreesOf, difference, goldenCase, goldenNames, temporaryFolder, type GoldenCase } from "../support/fixtures";
import { documentedRows, worst, writeTable, type GoldenRow } from "../support/golden-table";

const table: string[][] = [];
/** By case and arithmetic: what docs/golden.md lists. */
const measured = new Map<string, GoldenRow>();
const caseNames = ["mamba", "falcon", "zamba"].flatMap(goldenNames);

afterAll(() => {
  const columns = ["case", "ranks", "compute", "prefill", "largest error", "bound", "mean error", "greedy"];
  const rows = textTable({ columns: columns.map((title) => ({ title })), rows: table });
  process.stdout.write(`\nGolden values\n${rows}\n`);
});

async function withModel<T>(directory: string, options: LoadOptions, work: (model: Model) => Promise<T>): Promise<T> {
  const model = await loadModel(directory, options);
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}

/** Largest and mean error of a case's logits with `chunk` tokens a step, over all its prompts. */
async function errorOf(model: Model, golden: GoldenCase, chunk: number): Promise<{ max: number; mean: number }> {
  let [max, mean] = [0, 0];
  for (const { tokens, logits } of golden.prompts) {
    const found = difference(await model.logits(tokens, { chunk: Math.min(chunk, tokens.length) }), logits);
    max = Math.max(max, found.max);
    mean = Math.max(mean, found.mean);
  }
  return { max, mean };
}

/** All prompts of a case, each twice, side by side. */
async function greedyEqual(model: Model, golden: GoldenCase): Promise<boolean> {
  const prompts = [...golden.prompts, ...golden.prompts];
  const maxNewTokens = golden.prompts[0]?.greedy.length ?? 0;
  const found = await model.generate(
    prompts.map(({ tokens }) => tokens),
    { maxNewTokens, stopTokens: [] },
  );
  return found.every(({ tokens }, index) => tokens.join() === prompts[index]?.greedy.join());
}

const prefills = [
  ["once", 1024],
  ["step", 1],
  ["chunk:7", 7],
] as const;

describe.each(caseNames)("%s", (name) => {
  test.each(degreesOf(name))(
    "f32 logits on %i ranks are the reference's, all ranks holding the same bits",
    async (ranks) => {
      const golden = await goldenCase(name);
      const options = {
        tensorParallel: ranks,
        computeType: "f32",
        threadsPerRank: 1,
        maxTokens: 1024,
        verifyCollectives: true,
      } as const;
      await withModel(golden.directory, options, async (model) => {
        const greedy = await greedyEqual(model, golden);
        for (const [how, chunk] of prefills) {
          const error = await errorOf(model, golden, chunk);
          row(name, ranks, "f32", how, error, golden.toleranceF32, greedy);
          measure(name, ranks, "f32", error, golden.toleranceF32, greedy);
          expect(error.max).toBeLessThanOrEqual(golden.toleranceF32);
        }
        expect(greedy).toBe(true);
      });
    },
  );

  test.each([1, 4])("bf16 logits on %i ranks stay within the reference's own error", async (ranks) => {
    const golden = await goldenCase(name);
    await withModel(
      golden.directory,
      { tensorParallel: ranks, computeType: "bf16", threadsPerRank: 1 },
      async (model) => {
        const error = await errorOf(model, golden, 512);
        row(name, ranks, "bf16", "once", error, golden.toleranceBf16, undefined);
        measure(name, ranks, "bf16", error, golden.toleranceBf16, undefined);
        expect(error.max).toBeLessThanOrEqual(golden.toleranceBf16);
        expect(error.mean).toBeLessThanOrEqual(3 * golden.meanErrorBf16);
      },
    );
  });

  test("the command writes the same logits", async () => {
    const golden = await goldenCase(name);
    const [{ tokens, logits } = { tokens: [], logits: new Float32Array() }] = golden.prompts.slice(-1);
    const out = join(temporaryFolder(), "logits.f32");
    const model = ["--model", golden.directory, "--tokens", tokens.join(), "--out", out];
    const { code, stderr } = await cli([
      "logits",
      ...model,
      "--compute",
      "f32",
      "--tp",
      "2",
      "--threads-per-rank",
      "1",
    ]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("wrote")]);
    const error = difference(floats(readFileSync(out)), logits);
    row(name, 2, "f32", "once, command", error, golden.toleranceF32, undefined);
    expect(error.max).toBeLessThanOrEqual(golden.toleranceF32);
  });
});

/** `GOLDEN_TABLE=write` writes it. */
test("docs/golden.md lists every case as it is computed today, with figures of the same size", () => {
  const rows = [...measured.values()];
  if (process.env["GOLDEN_TABLE"] === "write") writeTable(rows, addon().cpuInfo().isa);
  const documented = new Map(documentedRows().map((one) => [`${one.case} ${one.arithmetic}`, one]));
  expect([...documented.keys()].sort()).toEqual(caseNames.flatMap((name) => [`${name} bf16`, `${name} f32`]).sort());
  for (const [key, { largest, bound, mean, ...rest }] of measured) {
    const {
      largest: shown = NaN,
      bound: shownBound = NaN,
      mean: shownMean = NaN,
      ...others
    } = documented.get(key) ?? {};
    expect([key, others]).toEqual([key, rest]);
    expect(shownBound.toExponential(1)).toBe(bound.toExponential(1));
    expect(shown).toBeLessThanOrEqual(bound);
    // Instruction sets sum in different orders.
    for (const ratio of [largest / shown, mean / shownMean]) {
      expect(ratio).toBeGreaterThan(0.1);
      expect(ratio).toBeLessThan(10);
    }
  }
});

/** The kernels of an instruction set are chosen once a process, so each needs its own. */
test.each(["sse2", "avx2", "avx512", "avx512bf16"])(
  "the %s kernels give the same logits, where this CPU has them",
  async (isa) => {
    const available = addon().cpuInfo().isas.includes(isa);
    for (const [compute, name] of [
      ["f32", "mamba-odd"],
      ["bf16", "mamba-bf16-sharded"],
      ["f32", "zamba-odd"],
      ["bf16", "zamba-odd"],
    ] as const) {
      const golden = await goldenCase(name);
      const [prompt] = golden.prompts;
      const out = join(temporaryFolder(), "logits.f32");
      const args = [
        "--model",
        golden.directory,
        "--tokens",
        prompt?.tokens.join() ?? "",
        "--out",
        out,
        "--compute",
        compute,
      ];
      const { code, stderr } = await cli(["logits", ...args], { env: { STATELINE_ISA: isa } });
      if (!available) {
        expect([code, stderr]).toEqual([1, expect.stringMatching(/STATELINE_ISA.*\(E_ISA\)/)]);
        continue;
      }
      expect([code, stderr]).toEqual([0, expect.stringContaining("wrote")]);
      const bound = compute === "f32" ? golden.toleranceF32 : golden.toleranceBf16;
      const error = difference(floats(readFileSync(out)), prompt?.logits ?? new Float32Array());
      row(name, 1, `${compute}, ${isa}`, "once, command", error, bound, undefined);
      expect(error.max).toBeLessThanOrEqual(bound);
    }
  },
  300_000, // four processes
);

test("names of before Zamba was part of transformers give the same logits", async () => {
  const golden = await goldenCase("zamba-tiny");
  const directory = temporaryFolder();
  cpSync(join(golden.directory, "config.json"), join(directory, "config.json"));
  writeFileSync(
    join(directory, "model.safetensors"),
    renamed(readFileSync(join(golden.directory, "model.safetensors"))),
  );
  await withModel(directory, { tensorParallel: 2, computeType: "f32", threadsPerRank: 1 }, async (model) => {
    expect((await errorOf(model, golden, 512)).max).toBeLessThanOrEqual(golden.toleranceF32);
  });
});

/** A Zamba file with hybrids 2 and 7 under its old names; */
function renamed(bytes: Buffer): Buffer {
  const length = Number(bytes.readBigUInt64LE(0));
  const header = bytes
    .toString("utf8", 8, 8 + length)
    .replaceAll(/model\.layers\.2\.shared_transf\./g, "model.block.")
    .replaceAll("model.layers.2.linear.", "model.linear_layers.0.")
    .replaceAll("model.layers.7.linear.", "model.linear_layers.1.")
    .replaceAll(".mamba_decoder.", ".")
    .replaceAll("model.layers.", "model.mamba_layers.");
  const text = Buffer.from(header);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, bytes.subarray(8 + length)]);
}

test("a hybrid model's sequence ends where its keys and values have no more room", async () => {
  const golden = await goldenCase("zamba-tiny");
  const [{ tokens, greedy } = { tokens: [], greedy: [] }] = golden.prompts;
  const options = { computeType: "f32", contextLength: tokens.length + 5, threadsPerRank: 1 } as const;
  await withModel(golden.directory, options, async (model) => {
    const full = await model.generate(tokens, { stopTokens: [] });
    expect(full).toMatchObject({ finish: "length", tokens: greedy.slice(0, 6) });
    await expect(model.logits([...tokens, ...greedy])).rejects.toMatchObject({ code: "E_CONTEXT" });
  });
});

function floats(bytes: Buffer): Float32Array {
  const values = new Float32Array(bytes.length / 4);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

function measure(
  name: string,
  ranks: number,
  arithmetic: string,
  error: { max: number; mean: number },
  bound: number,
  greedy: boolean | undefined,
): void {
  const key = `${name} ${arithmetic}`;
  const next = { case: name, arithmetic, ranks: [ranks], largest: error.max, bound, mean: error.mean, greedy };
  measured.set(key, worst(measured.get(key), next));
}

function row(
  name: string,
  ranks: number,
  compute: string,
  how: string,
  error: { max: number; mean: number },
  bound: number,
  greedy: boolean | undefined,
): void {
  const digits = (value: number): string => value.toExponential(1);
  table.push([
    name,
    String(ranks),
    compute,
    how,
    digits(error.max),
    digits(bound),
    digits(error.mean),
    greedy === undefined ? "" : greedy ? "equal" : "differ",
  ]);
}
