/** What the AllReduces of a model send, and what is computed meanwhile. */

import { execFile, execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { crossover } from "../../kernel/api/bench/crossover";
import {
  benchAllReduce,
  loadModel,
  profile,
  type AllReduceChoice,
  type LoadOptions,
  type Progress,
  type Run,
} from "../../kernel/api/index";
import { tuneAllReduce } from "../../kernel/api/model/all-reduce";
import { packageRoot } from "../../kernel/api/package-root";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

const runs = temporaryFolder();

async function recorded(options: LoadOptions): Promise<{ readonly run: Run; readonly logits: Float32Array }> {
  await using model = await loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1, ...options });
  let logits: Float32Array = new Float32Array();
  const run = await profile(async () => void (logits = await model.logits("Sherlock Holmes took his hat")), { runs });
  return { run, logits };
}

/** in_proj.z spans of a layer, and those that lie inside the x_proj AllReduce of their rank and layer. */
const overlaps = `
  SELECT count(*) AS gates,
         count(*) FILTER (z.start_ns >= c.start_ns AND z.start_ns + z.dur_ns <= c.start_ns + c.dur_ns) AS hidden,
         count(*) FILTER (z.start_ns < c.start_ns + c.dur_ns AND c.start_ns < z.start_ns + z.dur_ns) AS touching
  FROM events z JOIN events c USING (rank, step, layer)
  WHERE z.name = 'in_proj.z' AND c.name = 'all_reduce.x_proj' AND z.stream = 0 AND c.stream = 1`;

test("the gate's half of in_proj runs inside the x_proj AllReduce, and behind it when overlap is off", async () => {
  const on = await recorded({});
  const off = await recorded({ overlap: false });
  const gates = 8 * 2; // layers, ranks
  expect((await on.run.sql(overlaps)).rows).toEqual([{ gates, hidden: gates, touching: gates }]);
  expect((await off.run.sql(overlaps)).rows).toEqual([{ gates, hidden: 0, touching: 0 }]);
  // The same sums in the same order.
  expect(off.logits).toEqual(on.logits);

  const overlapShare = async (run: Run): Promise<number[]> =>
    (await run.summary()).ranks.map((rank) => rank.overlapShare);
  for (const share of await overlapShare(on.run)) expect(share).toBeGreaterThan(0);
  expect(await overlapShare(off.run)).toEqual([0, 0]);
});

test("int8 sends at most 0.53 of f16's bytes after out_proj", async () => {
  const sent = async (allReduce: "f16" | "int8"): Promise<number> => {
    const { run } = await recorded({ allReduce });
    const { rows } = await run.sql(
      "SELECT sum(wire_bytes)::DOUBLE AS bytes FROM events WHERE name = 'all_reduce.out_proj'",
    );
    return Number(rows[0]?.["bytes"]);
  };
  const ratio = (await sent("int8")) / (await sent("f16"));
  expect(ratio).toBeGreaterThan(0.5);
  expect(ratio).toBeLessThanOrEqual(0.53);
});

describe("auto", () => {
  const folder = temporaryFolder();
  const kept = join(folder, "all-reduce.json");
  beforeAll(() => (process.env["STATELINE_CACHE"] = folder));
  afterAll(() => delete process.env["STATELINE_CACHE"]);
  const load = (options: LoadOptions): ReturnType<typeof loadModel> =>
    loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1, maxTokens: 512, ...options });

  test("measures this machine once, keeps what it found, and a damaged file is measured again", async () => {
    await (await load({ computeType: "bf16" })).close();
    const first = readFileSync(kept, "utf8");
    await (await load({ computeType: "bf16" })).close();
    expect(readFileSync(kept, "utf8")).toBe(first);
    writeFileSync(kept, first.slice(0, 40));
    await (await load({ computeType: "bf16" })).close();
    expect(Object.keys(JSON.parse(readFileSync(kept, "utf8")) as object)).toHaveLength(1);
  });

  test("uses what was measured by the size of each message, on all ranks, and the run says so", async () => {
    const curves = JSON.parse(readFileSync(kept, "utf8")) as Record<string, object>;
    const [key = ""] = Object.keys(curves);
    const crossover = { wireType: "int8", fromBytes: 64 * 1024, gain: 1.5 };
    writeFileSync(kept, JSON.stringify({ [key]: { ...curves[key], crossover } }));
    await using model = await load({ computeType: "bf16" });
    expect(model.plan.allReduce.wires).toEqual([
      { fromBytes: 0, wireType: "f32" },
      { fromBytes: 65536, wireType: "int8" },
    ]);
    const ids = Array.from({ length: 300 }, (_, index) => index % 200);
    const run = await profile(() => model.generate(ids, { maxNewTokens: 2, stopTokens: [] }), { runs });
    const { rows } = await run.sql(`
      SELECT DISTINCT tokens * ${model.config.hidden} * 4 >= 65536 AS large, wire_type::VARCHAR AS wire, rank
      FROM events WHERE name = 'all_reduce.out_proj' ORDER BY ALL`);
    expect(rows).toEqual([
      { large: false, wire: "f32", rank: 0 },
      { large: false, wire: "f32", rank: 1 },
      { large: true, wire: "int8", rank: 0 },
      { large: true, wire: "int8", rank: 1 },
    ]);
    expect(run.info.allReduce).toEqual({ x_proj: "f32", out_proj: "f32, int8 from 65.54 kB" });
    expect(run.info.link).toBe("memory of the host");
    expect(run.info.allReduceReason).toMatch(
      /^auto: int8 sums 1\.50× faster or more from 65\.54 kB on, measured here on \d/,
    );
  });

  test("f32 arithmetic keeps exact sums, whatever would be faster", async () => {
    await using model = await load({ computeType: "f32" });
    expect(model.plan.allReduce).toMatchObject({
      wires: [{ fromBytes: 0, wireType: "f32" }],
      reason: "auto: f32 arithmetic gets exact sums",
    });
  });
});

describe("a kept measurement that", () => {
  const good = { wireType: "int8", fromBytes: 65536, gain: 1.5 };
  const setting = { tensorParallel: 2, threadsPerRank: 1, computeType: "bf16" } as const;
  const tune = (group = 128): Promise<AllReduceChoice> => tuneAllReduce({ outProj: "auto", group }, setting);
  const groupsIn = (file: string): (string | undefined)[] =>
    Object.keys(JSON.parse(readFileSync(file, "utf8")) as object)
      .map((key) => key.split(", ").at(-1))
      .sort();
  let key: string, curve: object, folder: string, file: string;

  const enter = (): void => {
    folder = process.env["STATELINE_CACHE"] = temporaryFolder();
    file = join(folder, "all-reduce.json");
  };
  beforeAll(async () => {
    enter();
    await tune();
    [[key, curve] = ["", {}]] = Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, object>);
  });
  beforeEach(enter);
  afterAll(() => delete process.env["STATELINE_CACHE"]);

  const changed = (change: object): string => JSON.stringify({ [key]: { ...curve, ...change } });
  test.each<[string, () => string]>([
    ["names a wire that there is not", () => changed({ crossover: { ...good, wireType: "int4" } })],
    ["begins at no size", () => changed({ crossover: { ...good, fromBytes: 0 } })],
    ["begins at half a byte", () => changed({ crossover: { ...good, fromBytes: 1.5 } })],
    ["gains nothing", () => changed({ crossover: { ...good, gain: -2 } })],
    ["was made at no time", () => changed({ crossover: good, measured: "<b>" })],
    ["is nested more deeply than can be written", () => `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`],
    ["is of another machine", () => JSON.stringify({ "0.1.0, another CPU": curve })],
  ])("%s is made again", async (_, text) => {
    writeFileSync(file, text());
    expect((await tune()).reason).toMatch(/^auto: (f16|bf16|int8|no narrower type) sums/);
    const again = JSON.parse(readFileSync(file, "utf8")) as Record<string, { measured?: string }>;
    expect(again[key]?.measured).toMatch(new Date().toISOString().slice(0, 10));
  });

  test("is a pipe or a device is not waited for, and is replaced", async () => {
    execFileSync("mkfifo", [file]);
    await tune();
    expect(lstatSync(file).isFile()).toBe(true);
    rmSync(file);
    symlinkSync("/dev/zero", file);
    await tune();
    expect(lstatSync(file).isFile()).toBe(true);
  });

  test("cannot be written is made once a process, and leaves nothing behind", async () => {
    mkdirSync(join(file, "taken"), { recursive: true });
    const first = await tune();
    expect(await tune()).toEqual(first);
    expect(readdirSync(folder)).toEqual(["all-reduce.json"]);
  });

  test("several loads want is made once, others beside it stay", async () => {
    const choices = await Promise.all([tune(), tune(1), tune(), tune(2)]);
    expect(choices[0]).toEqual(choices[2]);
    expect(groupsIn(file)).toEqual(["group 1", "group 128", "group 2"]);
  });

  test("two processes write at once is whole at the end", async () => {
    const program = (groups: number[]): string => `
      const { machineCurve } = require(${JSON.stringify(join(packageRoot(), "dist/kernel/api/bench/machine-profile.js"))});
      void Promise.all(${JSON.stringify(groups)}.map((group) => machineCurve({ ranks: 2, threadsPerRank: 1, group })));`;
    await Promise.all(
      [
        [3, 4],
        [5, 6],
      ].map((groups) => promisify(execFile)(process.execPath, ["-e", program(groups)], { env: process.env })),
    );
    const found = groupsIn(file); // who writes between the other's reading and writing is measured again next time
    expect(found.length).toBeGreaterThanOrEqual(2);
    expect(["group 3", "group 4", "group 5", "group 6"]).toEqual(expect.arrayContaining(found));
    expect(readdirSync(folder)).toEqual(["all-reduce.json"]);
  });
});

test("a narrower wire pays from where it wins at every larger size, by a margin that is not noise", () => {
  const points = (times: Record<"f32" | "bf16" | "int8", number[]>): Parameters<typeof crossover>[0] =>
    Object.entries(times).flatMap(([wireType, list]) =>
      list.map((bestMicroseconds, i) => ({ wireType: wireType as "f32", bytes: 1000 * 4 ** i, bestMicroseconds })),
    );
  const f32 = [10, 20, 80, 320];
  // int8 loses small, wins large; bf16 wins less.
  expect(crossover(points({ f32, bf16: [12, 16, 60, 250], int8: [20, 30, 50, 100] }))).toEqual({
    wireType: "int8",
    fromBytes: 16000,
    gain: 1.6,
  });
  // One size alone, a gap in between, and 10 % prove nothing.
  expect(crossover(points({ f32, bf16: [9.5, 19, 75, 300], int8: [5, 10, 90, 100] }))).toBeNull();
});

test("the benchmark counts bandwidth as nccl-tests do, and can be aborted", async () => {
  const seen: Progress[] = [];
  const onProgress = (progress: Progress): void => void seen.push(progress);
  const sizes = { minBytes: 1000, maxBytes: 4000 };
  const curve = await benchAllReduce({ ranks: 3, threadsPerRank: 1, ...sizes, rounds: 3, onProgress });
  expect(seen).toEqual([1000, 3000, 7000].map((done) => ({ done, total: 7000 })));
  expect(curve.points.map(({ bytes, wireType }) => `${bytes} ${wireType}`)).toEqual(
    [1000, 2000, 4000].flatMap((bytes) => ["f32", "f16", "bf16", "int8"].map((wire) => `${bytes} ${wire}`)),
  );
  for (const { bytes, microseconds, algbw, busbw } of curve.points) {
    expect(microseconds).toBeGreaterThan(0);
    expect(algbw).toBeCloseTo(bytes / microseconds / 1000, 9);
    expect(busbw / algbw).toBeCloseTo(4 / 3, 9); // 2 (P-1)/P
  }
  const signal = AbortSignal.timeout(20);
  const long = benchAllReduce({ ranks: 2, threadsPerRank: 1, rounds: 1000, signal });
  await expect(long).rejects.toMatchObject({ code: "E_ABORTED" });
  await expect(benchAllReduce({ ranks: 1 })).rejects.toMatchObject({
    code: "E_OPTION_INVALID",
    message: "ranks must be an integer from 2 to 64, got 1",
  });
  jest.spyOn(process, "availableMemory").mockReturnValueOnce(1e9);
  await expect(benchAllReduce({ ranks: 64 })).rejects.toMatchObject({
    message: "maxBytes must be at most 3875968 for 64 ranks in the memory that is free here, got 16777216",
  });
  await expect(benchAllReduce({ minBytes: 4096, maxBytes: 1024 })).rejects.toMatchObject({
    message: "maxBytes must be at least minBytes = 4096, got 1024",
  });
});
