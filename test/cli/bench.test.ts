/** `stateline bench cpu` and the function behind it. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { opTimes } from "../../kernel/api/bench/op-times";
import { benchCpu, loadModel, type CpuBench } from "../../kernel/api/index";
import { cli, cliJson } from "../support/cli";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

test("bench cpu gives every op's time, floor and share at decode, in a batch and at prefill, and a page of them", async () => {
  const page = join(temporaryFolder(), "ops.html");
  const args = ["--model", tinyMamba, "--compute", "int8", "--tp", "2", "--rounds", "1", "--html", page];
  const bench = await cliJson<CpuBench>(["bench", "cpu", ...args]);
  expect(bench).toMatchObject({ computeType: "int8", ranks: 2, rounds: 1 });
  const { readBytesPerSecond, flopsPerSecond, statesPerSecond } = bench.floors;
  for (const rate of [readBytesPerSecond, statesPerSecond, ...Object.values(flopsPerSecond)])
    expect(rate).toBeGreaterThan(1e6);
  const scans = { decode: "state_update", "decode, 16 together": "state_update", "prefill 512": "selective_scan" };
  expect(new Set(bench.ops.map(({ workload }) => workload))).toEqual(new Set(Object.keys(scans)));
  for (const [workload, scan] of Object.entries(scans)) {
    const ops = bench.ops.filter((one) => one.workload === workload);
    expect(ops.map(({ op }) => op)).toEqual(expect.arrayContaining(["in_proj.x", "out_proj", "lm_head", scan]));
    for (const { timeNs, floorNs, reached, share } of ops) {
      expect(reached).toBeCloseTo(floorNs / timeNs, 9);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(1);
    }
  }
  const html = readFileSync(page, "utf8");
  expect(html).toContain("Plotly.newPlot");
  expect(html).toContain("state_update");
});

test("bench cpu measures sampling beside the likeliest token's decode, alone and in a batch", async () => {
  await using model = await loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1, maxSequences: 3 });
  const { ops } = await benchCpu(model, { rounds: 1, temperature: 1, topP: 0.9, logprobs: 2 });
  for (const workload of ["decode", "decode, 3 together"]) {
    const sent = [workload, `${workload}, sampling`].map((name) => {
      const [sample] = ops.filter((one) => one.workload === name && one.op === "sample");
      expect(sample?.timeNs).toBeGreaterThan(0);
      expect(sample?.stepNs).toBeGreaterThan(sample?.timeNs ?? 0);
      return sample?.floorNs ?? 0;
    });
    expect(sent[1]).toBeGreaterThan(100 * (sent[0] ?? Infinity)); // whole rows in place of the largest logits
  }
  await expect(benchCpu(model, { topP: 2 })).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
});

test("bench cpu refuses a model that is not there and a type it does not know", async () => {
  const missing = await cli(["bench", "cpu", "--model", join(temporaryFolder(), "none")]);
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("none")]);
  const unknown = await cli(["bench", "cpu", "--compute", "int4"]);
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("int4")]);
});

test("measuring ops says how far it is, and ends when it is aborted", async () => {
  await using model = await loadModel(tinyMamba, { threadsPerRank: 1 });
  const controller = new AbortController();
  const seen: string[] = [];
  const onProgress = ({ done, total }: { done: number; total: number }): void => {
    seen.push(`${done} of ${total}`);
    if (done === 2) controller.abort();
  };
  const long = benchCpu(model, { rounds: 1000, signal: controller.signal, onProgress });
  await expect(long).rejects.toMatchObject({ code: "E_ABORTED" });
  expect(seen).toEqual(["1 of 3000", "2 of 3000"]);
  await expect(benchCpu(model, { rounds: 0 })).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
});

test("an op's floor is the longer of its reads and its arithmetic, by the type it computes in", () => {
  const floors = {
    readBytesPerSecond: 1e9,
    flopsPerSecond: { f32: 1e9, bf16: 2e9, int8: 4e9 },
    statesPerSecond: 1e8,
  };
  const sample = { timeNs: 4000, stepNs: 16000, tokens: 2, bytes: 1000, flops: 4000 };
  const samples = [
    { ...sample, op: "in_proj.x", kind: "gemm" },
    { ...sample, op: "norm", kind: "norm", timeNs: 2000, bytes: 8000 },
    { ...sample, op: "state_update", kind: "scan", timeNs: 9000 },
    { ...sample, op: "state_update", kind: "scan", timeNs: 1000 },
    { ...sample, op: "state_update", kind: "scan", timeNs: 5000 },
  ];
  const times = opTimes("decode", samples, { floors, computeType: "bf16", statesPerToken: 100 });
  expect(times).toEqual(
    [
      {
        op: "state_update",
        timeNs: 5000,
        stepNs: 16000,
        share: 15 / 48,
        floorNs: 2000,
        bound: "arithmetic",
        reached: 0.4,
      },
      { op: "in_proj.x", timeNs: 4000, stepNs: 16000, share: 0.25, floorNs: 2000, bound: "arithmetic", reached: 0.5 },
      { op: "norm", timeNs: 2000, stepNs: 16000, share: 0.125, floorNs: 8000, bound: "memory", reached: 4 },
    ].map((op) => ({ workload: "decode", ...op })),
  );
});
