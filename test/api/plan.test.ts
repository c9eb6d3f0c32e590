/** The shard plan: every element is held exactly as its split says, at every degree that divides. */

import { join } from "node:path";

import fc from "fast-check";

import { openCheckpoint } from "../../kernel/api/checkpoint/checkpoint";
import { ShardError } from "../../kernel/api/errors";
import { chooseAllReduce } from "../../kernel/api/model/all-reduce";
import type { RankSlice } from "../../kernel/api/native";
import { drawPlan } from "../../kernel/api/plan/draw";
import { engineSpec } from "../../kernel/api/plan/engine-spec";
import { planShards, type ShardPlan } from "../../kernel/api/plan/plan";
import { sizeOf, sliceOfRank, type Split } from "../../kernel/api/plan/split";
import { degreesOf, golden, goldenNames } from "../support/fixtures";

/** Which ranks hold each element of a [rows, columns] tensor. */
function holders(rows: number, columns: number, slices: readonly RankSlice[]): number[][] {
  const held = Array.from({ length: rows * columns }, (): number[] => []);
  slices.forEach((slice, rank) => {
    for (const { begin, end, step } of slice.rows) {
      for (let row = begin; row < end; row += step) {
        for (let column = slice.columnBegin; column < slice.columnEnd; column++)
          held[row * columns + column]?.push(rank);
      }
    }
  });
  return held;
}

/** Who must hold element (row, column), from the meaning of the split alone. */
function owners(split: Split, rows: number, columns: number, row: number, column: number, ranks: number): number[] {
  const all = Array.from({ length: ranks }, (_, rank) => rank);
  switch (split.kind) {
    case "replicated":
      return all;
    case "first":
      return [0];
    case "rows":
      return [Math.floor((row * ranks) / rows)];
    case "packedRows":
      return [Math.floor(((row % (rows / split.parts)) * ranks * split.parts) / rows)];
    case "interleavedRows":
      return [Math.floor((Math.floor(row / split.parts) * ranks * split.parts) / rows)];
    case "headRows":
    case "headColumns": {
      const head = Math.floor((row * split.heads) / rows);
      if (ranks <= split.heads) return [Math.floor((head * ranks) / split.heads)];
      const group = ranks / split.heads;
      const ofHead = Array.from({ length: group }, (_, index) => head * group + index);
      return split.kind === "headRows" ? ofHead : [head * group + Math.floor((column * group) / columns)];
    }
    case "columns":
      return [Math.floor((column * ranks) / columns)];
    case "unevenRows": {
      const longer = rows % ranks;
      const size = Math.floor(rows / ranks);
      const inLonger = row < longer * (size + 1);
      return [inLonger ? Math.floor(row / (size + 1)) : longer + Math.floor((row - longer * (size + 1)) / size)];
    }
  }
}

test("every element is held by exactly the ranks that its split names", () => {
  const split = fc.oneof(
    fc.constantFrom<Split>(
      { kind: "replicated" },
      { kind: "first" },
      { kind: "rows" },
      { kind: "unevenRows" },
      { kind: "columns" },
    ),
    fc.integer({ min: 1, max: 3 }).map((parts): Split => ({ kind: "packedRows", parts })),
    fc.integer({ min: 1, max: 3 }).map((parts): Split => ({ kind: "interleavedRows", parts })),
    fc.constant<Split>({ kind: "headRows", heads: 2 }),
    fc.constant<Split>({ kind: "headColumns", heads: 2 }),
  );
  const size = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(split, size, size, fc.integer({ min: 1, max: 6 }), fc.nat(5), (kind, height, width, degree, extra) => {
      const ranks = "heads" in kind && degree > 1 ? degree + (degree % 2) : degree;
      const parts = "parts" in kind ? kind.parts : "heads" in kind ? 2 : 1;
      const rows = kind.kind === "unevenRows" ? height * ranks + extra : height * ranks * parts;
      const columns = width * ranks;
      const slices = Array.from({ length: ranks }, (_, rank) => sliceOfRank(kind, rows, columns, rank, ranks));
      const held = holders(rows, columns, slices);
      held.forEach((by, index) => {
        expect(by).toEqual(owners(kind, rows, columns, Math.floor(index / columns), index % columns, ranks));
      });
      expect(slices.reduce((sum, slice) => sum + sizeOf(slice), 0)).toBe(held.flat().length);
    }),
  );
});

async function planOf(name: string, ranks: number): Promise<ShardPlan> {
  return planShards(await openCheckpoint(join(golden, name)), ranks, chooseAllReduce("auto", ranks));
}

test.each([...goldenNames("mamba"), ...goldenNames("falcon")])(
  "%s splits at every degree that divides d_inner, and at no other",
  async (name) => {
    const { inner } = (await planOf(name, 1)).config;
    for (let ranks = 1; ranks <= 12; ranks++) {
      if (inner % ranks !== 0) {
        const refused = planOf(name, ranks);
        await expect(refused).rejects.toBeInstanceOf(ShardError);
        await expect(refused).rejects.toMatchObject({
          code: "E_TP_INDIVISIBLE",
          message: expect.stringMatching(
            `^tensorParallel must divide d_inner = ${inner} \\(1, 2, .*\\), got ${ranks}$`,
          ) as unknown,
        });
        continue;
      }
      const { tensors } = await planOf(name, ranks);
      for (const { rows, columns, split, ranks: slices } of tensors.filter(({ layer }) => layer <= 0)) {
        const held = holders(rows, columns, slices);
        const wrong = held.findIndex((by, index) => {
          const expected = owners(split, rows, columns, Math.floor(index / columns), index % columns, ranks);
          return by.length !== expected.length || by.some((rank, i) => rank !== expected[i]);
        });
        expect(wrong).toBe(-1);
      }
    }
  },
);

test.each(goldenNames("zamba"))("%s splits at the degrees that divide heads, channels and MLP", async (name) => {
  const works: number[] = [];
  for (let ranks = 1; ranks <= 12; ranks++) {
    const plan = await planOf(name, ranks).catch((error: unknown) => {
      expect(error).toMatchObject({
        code: "E_TP_INDIVISIBLE",
        message: expect.stringMatching(/ work, got/) as unknown,
      });
    });
    if (!plan) continue;
    works.push(ranks);
    for (const { rows, columns, split, ranks: slices } of plan.tensors.filter(({ layer }) => layer <= 2)) {
      const held = holders(rows, columns, slices);
      const wrong = held.findIndex((by, index) => {
        const expected = owners(split, rows, columns, Math.floor(index / columns), index % columns, ranks);
        return by.join() !== expected.join();
      });
      expect(wrong).toBe(-1);
    }
  }
  expect(works).toEqual(degreesOf(name));
});

test("in_proj reaches the engine as x and z, each the rank's rows of its half", async () => {
  const plan = await planOf("mamba-odd", 4);
  const spec = engineSpec(plan, {
    threadsPerRank: 1,
    device: "cpu",
    gpus: [],
    gpuLink: "auto",
    computeType: "f32",
    wires: [{ fromBytes: 0, wireType: "f32" }],
    overlap: true,
    quantisationGroup: 128,
    maxTokens: 8,
    contextLength: 8,
    slots: 1,
    cacheBytes: 0,
    cacheInterval: 64,
    verifyCollectives: false,
    collectiveTimeoutMs: 1000,
  });
  const rowsOf = (role: string): unknown =>
    spec.tensors.find((tensor) => tensor.role === role && tensor.layer === 1)?.ranks[2]?.rows;
  expect(rowsOf("in_proj.x")).toEqual([{ begin: 72, end: 108, step: 1 }]);
  expect(rowsOf("in_proj.z")).toEqual([{ begin: 216, end: 252, step: 1 }]);
  expect(rowsOf("in_proj.x.bias")).toEqual([{ begin: 72, end: 108, step: 1 }]);
  expect(rowsOf("out_proj.bias")).toEqual([]);
  expect(spec.tensors).toHaveLength(plan.tensors.reduce((sum, tensor) => sum + tensor.roles.length, 0));
});

test("a plan prints a row a kind of tensor and what the AllReduces carry", async () => {
  const drawn = drawPlan(await planOf("mamba-odd", 4));
  expect(drawn["text/plain"]).toContain("rows 0–35, 144–179");
  expect(drawn["text/plain"]).toMatch(/in_proj\.x \+ in_proj\.z +3 +288 × 72 +F32 +rows of each of 2 parts/);
  expect(drawn["text/plain"]).toMatch(/x_proj +21 +f32/);
  expect(drawn["text/html"]).not.toMatch(/<script/);
});
