/** Recording what the ranks do: every op of every step, matched across ranks, cheap, and complete on disk. */

import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";

import {
  compare,
  listRuns,
  loadModel,
  openRun,
  plainText,
  profile,
  type Model,
  type Run,
} from "../../kernel/api/index";
import { drawn } from "../../kernel/api/display";
import { analyse } from "../../profiler-ui/trace/analysis";
import { startCli } from "../support/cli";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

const prompt = "Sherlock Holmes took";

/** The SVG of the image that a value shows in a notebook. */
function pictureOf(value: object): string {
  const [, data = ""] =
    /<img [^>]*src="data:image\/svg\+xml;base64,([^"]+)"/.exec(drawn(value)["text/html"] ?? "") ?? [];
  return Buffer.from(data, "base64").toString();
}

const runs = temporaryFolder();
let model: Model;
beforeAll(async () => {
  model = await loadModel(tinyMamba, { tensorParallel: 2, threadsPerRank: 1, allReduce: "int8" });
});
afterAll(() => model.close());

test("a run has every op of every layer, step and rank", async () => {
  const run = await profile(() => model.generate(prompt, { maxNewTokens: 10 }), { runs, label: "ten tokens" });
  expect(run.info).toMatchObject({
    label: "ten tokens",
    status: "complete",
    tensorParallel: 2,
    allReduce: { x_proj: "f32", out_proj: "int8" },
    model: { name: "tiny-mamba", layers: 8, parameters: 4028672 },
    lost: 0,
  });
  const { rows } = await run.sql("SELECT DISTINCT name, phase FROM events ORDER BY ALL");
  const ops = (phase: string): unknown[] => rows.filter((row) => row["phase"] === phase).map((row) => row["name"]);
  expect(ops("prefill")).toEqual(
    expect.arrayContaining([
      "embed",
      "norm",
      "in_proj.x",
      "in_proj.z",
      "conv1d",
      "selective_scan",
      "out_proj",
      "lm_head",
      "step",
    ]),
  );
  expect(ops("decode")).toEqual(
    expect.arrayContaining([
      "conv1d_update",
      "state_update",
      "all_reduce.x_proj",
      "all_reduce.out_proj",
      "quantise",
      "exchange",
      "reduce",
    ]),
  );
  // 10 tokens: a prefill step gives the first, nine decode steps the others; 8 layers, 2 ranks.
  const counted = await run.sql("SELECT count(*) AS n FROM events WHERE name = 'all_reduce.out_proj'");
  expect(counted.rows).toEqual([{ n: 10 * 8 * 2 }]);
  const steps = await run.sql("SELECT min(step) AS first, max(step) AS last, min(start_ns) >= 0 AS after FROM events");
  expect(steps.rows).toEqual([{ first: 0, last: 9, after: true }]);
});

test("a run's steps begin at 0 whatever was recorded before, so that a run and its repetition pair step by step", async () => {
  const record = (): Promise<Run> => profile(() => model.generate(prompt, { maxNewTokens: 4, cache: false }), { runs });
  const [a, b] = [await record(), await record()];
  const { rows } = await b.sql("SELECT min(step) AS first, max(step) AS last FROM events");
  expect(rows).toEqual([{ first: 0, last: 3 }]);
  const { phases } = await compare(a, b);
  expect(phases.map(({ phase, paired }) => [phase, paired?.pairs])).toEqual([
    ["prefill", 1],
    ["decode", 3],
  ]);
});

test("collectives match across ranks by group and ordinal, and carry what the codec says", async () => {
  const run = await profile(() => model.generate(prompt, { maxNewTokens: 5 }), { runs });
  const unmatched = await run.sql(
    `SELECT count(*) AS n FROM (SELECT "group", seq FROM events WHERE name LIKE 'all_reduce%' GROUP BY ALL HAVING count(DISTINCT rank) <> 2 OR count(*) <> 2)`,
  );
  expect(unmatched.rows).toEqual([{ n: 0 }]);
  const types = await run.sql(
    "SELECT DISTINCT name, wire_type FROM events WHERE name LIKE 'all_reduce%' ORDER BY name",
  );
  expect(types.rows).toEqual([
    { name: "all_reduce.out_proj", wire_type: "int8" },
    { name: "all_reduce.x_proj", wire_type: "f32" },
  ]);
  // Children carry no bytes of their own: the sum over spans is what the generation reports.
  const sent = await run.sql("SELECT sum(wire_bytes)::BIGINT AS bytes FROM events WHERE wire_bytes > 0");
  const generated = run.info.requests[0];
  expect(sent.rows).toEqual([{ bytes: generated?.wireBytes }]);
});

test("a run knows its requests, and its spans say which they served", async () => {
  const run = await profile(
    async () => {
      await model.generate(prompt, { maxNewTokens: 3 });
      await model.generate([1, 2, 3], { maxNewTokens: 4 });
      await model.logits([5, 6]);
    },
    { runs },
  );
  expect(run.info.requests).toMatchObject([
    { request: 0, prompt, promptTokens: 5, newTokens: 3 },
    { request: 1, promptTokens: 3, newTokens: 4 },
  ]);
  const { rows } = await run.sql(
    "SELECT request, count(DISTINCT step) AS steps FROM events GROUP BY request ORDER BY request",
  );
  expect(rows).toEqual([
    { request: -1, steps: 1 },
    { request: 0, steps: 3 },
    { request: 1, steps: 4 },
  ]);
});

test.each([{}, { temperature: 1, topP: 0.9 }])(
  "of steps that several requests share, each token's span says whose it is: %p",
  async (sampling) => {
    const options = { ...sampling, maxNewTokens: 5, cache: false };
    const run = await profile(() => model.generate(["It was", prompt, [1, 2, 3]], options), { runs });
    const { rows } = await run.sql(
      "SELECT request, count(*) AS tokens FROM events WHERE name = 'sample' GROUP BY request ORDER BY request",
    );
    expect(rows).toEqual([0, 1, 2].map((request) => ({ request, tokens: 5 })));
    const latency = analyse(await run.events(), run.info).latencies.find(
      ({ label }) => label === "inter-token latency",
    );
    expect(latency?.count).toBe(3 * 4);
  },
);

test("in a run of requests that come as they will, none that decodes misses a step, no step exceeds its budget, all come in order", async () => {
  const few = { tensorParallel: 2, threadsPerRank: 1, maxTokens: 48, maxSequences: 5, cacheBytes: 0 };
  await using served = await loadModel(tinyMamba, { ...few, allReduce: "f16" });
  const run = await profile(
    async () => {
      const requests = [];
      for (let i = 0; i < 30; i++) {
        const length = i % 6 === 3 ? 300 : 1 + ((i * 17) % 40);
        const tokens = Array.from({ length }, (_, k) => (7 * k + i) % 1000);
        requests.push(served.generate(tokens, { maxNewTokens: 9, stopTokens: [] }));
        if (i % 3 === 0) await requests[Math.floor(i / 2)];
      }
      await Promise.all(requests);
    },
    { runs, models: [served] },
  );
  const { rows: steps } = await run.sql(
    "SELECT max(tokens) AS tokens, max(sequences) AS sequences FROM events WHERE name = 'step'",
  );
  expect(steps).toEqual([{ tokens: 48, sequences: 5 }]);
  const { rows } = await run.sql(
    `SELECT count(*) AS tokens, min(step) AS first, max(step) - min(step) AS steps
     FROM events WHERE name = 'sample' GROUP BY request ORDER BY request`,
  );
  expect(rows).toEqual(rows.map(({ first }) => ({ tokens: 9, first, steps: 8 })));
  expect(rows).toHaveLength(30);
  const firsts = rows.map(({ first }) => Number(first));
  expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
});

test("models that open and close inside are recorded; ranks are those of the models that worked, in turn", async () => {
  const other = (): Promise<Model> => loadModel(tinyMamba, { tensorParallel: 4, threadsPerRank: 1 });
  const ranksOf = async (work: () => Promise<unknown>): Promise<unknown[]> => {
    const run = await profile(work, { runs });
    const { rows } = await run.sql(
      'SELECT rank, count(DISTINCT "group") FILTER (seq >= 0) AS groups FROM events GROUP BY rank ORDER BY rank',
    );
    expect(run.info.clocks).toHaveLength(rows.length);
    expect(run.info.link).toBe("memory of the host");
    expect(new Set(rows.map(({ groups }) => groups))).toEqual(new Set([1]));
    return rows.map(({ rank }) => rank);
  };
  const idle = await ranksOf(async () => {
    const four = await other();
    await four.generate(prompt, { maxNewTokens: 2 });
    await four.close();
  });
  expect(idle).toEqual([0, 1, 2, 3]);
  const both = await ranksOf(async () => {
    const four = await other();
    await Promise.all([four.generate(prompt, { maxNewTokens: 2 }), model.generate(prompt, { maxNewTokens: 2 })]);
    await four.close();
  });
  expect(both).toEqual([0, 1, 2, 3, 4, 5]);
});

test("profile(model) records a generation; summary, collectives and timeline draw themselves", async () => {
  const run = await profile(model, { prompt, maxNewTokens: 6, runs, label: "int8" });
  const summary = await run.summary();
  expect(summary.ranks).toHaveLength(2);
  expect(summary.phases.map(({ phase, steps }) => [phase, steps])).toEqual([
    ["prefill", 1],
    ["decode", 5],
  ]);
  // The model has read this prompt before: a profile is of all of it nevertheless.
  const prefill = await run.sql("SELECT max(tokens) AS tokens FROM events WHERE phase = 'prefill'");
  expect(prefill.rows).toEqual([{ tokens: 5 }]);
  expect(plainText(summary)).toMatch(/rank +steps +scan +convolution/);
  expect(plainText(await run.collectives())).toContain("all_reduce.out_proj");
  expect((await run.timeline()).svg).toMatch(/^<svg[^]*<\/svg>$/);
  expect((await run.timeline()).svg).not.toContain("<script");
  expect(plainText(run)).toMatch(/^int8\n\nrun +\d{8}-\d{6}-tiny-mamba-tp2-int8/);
  expect(await openRun(run.id, { runs })).toMatchObject({ info: run.info });
});

test("a run's charts are Plotly's figures, with the numbers that SQL finds, and pictures and tables for viewers without it", async () => {
  const run = await profile(model, { prompt, maxNewTokens: 6, runs });
  const { timeByOp, roofline, latencies, memory } = await run.charts();
  const bundle = drawn(timeByOp);
  expect(bundle["text/plain"]).toMatch(/^Time by op and rank\nop +rank 0 +rank 1\n/);
  expect(bundle["text/html"]).toContain("<table>");
  expect(pictureOf(timeByOp)).toBe(timeByOp.svg);
  const { data } = JSON.parse(JSON.stringify(bundle["application/vnd.plotly.v1+json"])) as {
    data: readonly { readonly name: string; readonly x: readonly number[]; readonly y: readonly string[] }[];
  };
  const { rows } = await run.sql(
    "SELECT sum(dur_ns)::DOUBLE / 1e6 AS ms FROM events WHERE name = 'in_proj.z' GROUP BY rank ORDER BY rank",
  );
  expect(data.find(({ name }) => name === "in_proj.z")).toMatchObject({
    type: "bar",
    x: rows.map((row) => expect.closeTo(Number(row["ms"]), 6) as number),
    y: ["rank 0", "rank 1"],
  });
  expect(plainText(roofline)).toContain("FLOP a byte");
  expect(latencies.length).toBeGreaterThan(0);
  expect(memory?.title).toBe("Memory by kind");
  expect(plainText(await run.charts())).toContain("Roofline");
});

test("a comparison's charts show both runs, by the comparison's numbers", async () => {
  const record = (label: string): Promise<Run> => profile(model, { prompt, maxNewTokens: 4, runs, label });
  const comparison = await compare(await record("one"), await record("two"));
  const { kinds, ops, allReduce } = comparison.charts();
  expect(drawn(kinds)["text/plain"]).toMatch(/^A rank's time by kind\nkind +one +two\n/);
  const scan = comparison.kinds.find(({ kind }) => kind === "scan");
  expect(kinds.traces.find((trace) => "name" in trace && trace.name === "scan")).toMatchObject({
    y: ["one", "two"],
    x: [(scan?.a ?? NaN) / 1e6, (scan?.b ?? NaN) / 1e6],
  });
  expect(pictureOf(kinds)).toContain("AllReduce");
  expect(ops?.traces).toHaveLength(2);
  expect(allReduce?.title).toBe("Where the AllReduces' time went");
  expect(String(drawn(comparison.charts())["text/html"]).match(/<img /g)).toHaveLength(3);
});

test("a recording that outlasts its buffers is drained while it runs, and loses nothing", async () => {
  const run = await profile(() => model.generate(prompt, { maxNewTokens: 3000, stopTokens: [] }), { runs });
  const { rows } = await run.sql("SELECT count(*) AS n, count(DISTINCT step) AS steps FROM events WHERE name = 'step'");
  expect(rows).toEqual([{ n: 6000, steps: 3000 }]);
  expect(run.info.lost).toBe(0);
  expect(run.info.events).toBeGreaterThan(1 << 19);
  expect(run.info.overhead.share).toBeGreaterThan(0);
  expect(run.info.overhead.share).toBeLessThan(0.03);
});

test("a process killed while it records leaves a run that opens as interrupted", async () => {
  const folder = temporaryFolder();
  const args = [
    "generate",
    "--model",
    tinyMamba,
    "--prompt",
    prompt,
    "--max-new-tokens",
    "10000000",
    "--tp",
    "2",
    "--record",
  ];
  const child = startCli([...args, "--runs", folder]);
  await once(child.stdout, "data"); // the first token: it records now
  child.kill("SIGKILL");
  await once(child, "exit");
  const [info] = await listRuns({ runs: folder });
  expect(info).toMatchObject({ status: "interrupted", model: { name: "tiny-mamba" } });
  const run = await openRun(join(folder, info?.id ?? ""));
  expect((await run.events()).count).toBe(info?.events);
  expect(readdirSync(folder)).toHaveLength(1);
});
