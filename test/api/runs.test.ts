/** Runs on disk: what was recorded is read back, columns have their types, a killed process leaves a readable run. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import fc from "fast-check";

import type { EventColumns } from "../../profiler-ui/trace/events";
import type { RunInfo } from "../../profiler-ui/trace/run";
import { widthOf } from "../../profiler-ui/trace/widths";
import { RunError } from "../../kernel/api/errors";
import type { SpanColumns, SpanNames } from "../../kernel/api/native";
import { openDatabase } from "../../kernel/api/runs/duckdb";
import { createRunFolder, eventFiles, readInfo, writeInfo } from "../../kernel/api/runs/folder";
import { loadModel } from "../../kernel/api/model/load";
import { profileByTurns } from "../../kernel/api/runs/by-turns";
import { compare, listRuns, openRun } from "../../kernel/api/runs/open";
import { readEvents } from "../../kernel/api/runs/parquet-reader";
import { ParquetWriter } from "../../kernel/api/runs/parquet-writer";
import { profile } from "../../kernel/api/runs/profile";
import { Run } from "../../kernel/api/runs/run";
import { EVENT_SCHEMA } from "../../kernel/api/runs/schema";
import { plainText } from "../../kernel/api/display";
import { temporaryFolder, tinyMamba } from "../support/fixtures";

const names: SpanNames = {
  name: ["norm", "all_reduce.out_proj", "step"],
  kind: ["norm", "collective", "host"],
  phase: ["prefill", "decode"],
  wireType: ["", "f16", "int8"],
  algorithm: ["", "two-shot"],
};

/** Spans whose values say their position. */
function spans(count: number, seed: number = 1): SpanColumns {
  let state = seed;
  const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  const big = (value: (i: number) => number): BigInt64Array =>
    BigInt64Array.from({ length: count }, (_, i) => BigInt(value(i)));
  const code = (texts: readonly string[]): Uint8Array => Uint8Array.from({ length: count }, () => random(texts.length));
  return {
    count,
    lost: 0,
    startNs: big((i) => 1000 + 10 * (count - i)), // backwards: the reader gives them by time
    durNs: big(() => random(9)),
    flops: big(() => random(2 ** 30) * 4096),
    bytes: big(() => random(2 ** 30)),
    wireBytes: big(() => random(1000)),
    seq: big((i) => (i % 3 === 0 ? -1 : i)),
    step: Int32Array.from({ length: count }, (_, i) => i >> 4),
    tokens: Int32Array.from({ length: count }, () => random(512)),
    sequences: new Int32Array(count).fill(1),
    cell: new Int32Array(count).fill(-1),
    request: Int32Array.from({ length: count }, () => random(3) - 1),
    layer: Int16Array.from({ length: count }, () => random(64) - 1),
    group: Int16Array.from({ length: count }, () => random(2) - 1),
    rank: Uint16Array.from({ length: count }, () => random(8)),
    stream: Uint16Array.from({ length: count }, () => random(3)),
    name: code(names.name),
    kind: code(names.kind),
    phase: code(names.phase),
    wireType: code(names.wireType),
    algorithm: code(names.algorithm),
  };
}

async function write(folder: string, chunks: readonly SpanColumns[]): Promise<void> {
  const writer = await ParquetWriter.open(folder, names);
  for (const chunk of chunks) {
    await writer.append(chunk, { rank: 0, group: 0, step: 0 });
    await writer.flush(1000n);
  }
  writer.close();
}

/** An event as an object, to compare. */
function eventAt(events: EventColumns, i: number): object {
  return Object.fromEntries(
    Object.entries<unknown>({ ...events }).flatMap(([field, column]): [string, unknown][] => {
      if (typeof column === "number") return [];
      if (ArrayBuffer.isView(column)) return [[field, Number((column as Float64Array)[i])]];
      const { texts, codes } = column as { texts: string[]; codes: Uint8Array };
      return [[field, texts[codes[i] ?? 0]]];
    }),
  );
}

test("every value of every event survives the disk, in several chunks, in order of time", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 2500 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 1e6 }),
      async (counts, seed) => {
        const folder = temporaryFolder();
        const chunks = counts.map((count, i) => spans(count, seed + i));
        await write(folder, chunks);
        const events = await readEvents(folder);
        expect(events.count).toBe(counts.reduce((sum, count) => sum + count, 0));
        for (let i = 1; i < events.count; i++)
          expect(events.startNs[i]).toBeGreaterThanOrEqual(events.startNs[i - 1] ?? 0);
        const key = (event: object): string =>
          JSON.stringify(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)));
        const written = chunks.flatMap((chunk) =>
          Array.from({ length: chunk.count }, (_, i) => {
            const row: Record<string, unknown> = {};
            for (const [field, column] of Object.entries(chunk) as [keyof SpanColumns, unknown][]) {
              if (!ArrayBuffer.isView(column)) continue;
              const value = (column as Uint8Array)[i];
              row[field] =
                field in names
                  ? names[field as keyof SpanNames][Number(value)]
                  : Number(value) - (field === "startNs" ? 1000 : 0);
            }
            return key(row);
          }),
        );
        const read = Array.from({ length: events.count }, (_, i) => key(eventAt(events, i)));
        expect(read.sort()).toEqual(written.sort());
      },
    ),
    { numRuns: 4 },
  );
});

test("columns are read as narrow as their values; fractions, gaps and huge numbers of other writers are kept", async () => {
  const folder = temporaryFolder();
  await write(folder, [spans(100), spans(3000)]);
  const { durNs, bytes, flops, rank, layer, tokens } = await readEvents(folder);
  expect([durNs, bytes, flops, rank, layer, tokens].map(widthOf)).toEqual(["u8", "u32", "f64", "u8", "i8", "u16"]);

  const others = temporaryFolder();
  const database = await openDatabase();
  const columns = EVENT_SCHEMA.map(({ column, type }) => {
    const values: Readonly<Record<string, string>> = {
      start_ns: "i",
      dur_ns: "CASE i WHEN 0 THEN 0.5::DOUBLE ELSE 'NaN' END",
      layer: "CASE i WHEN 1 THEN 300::SMALLINT END",
      seq: "NULL::BIGINT",
      flops: "9007199254740991 - i",
      tokens: "i::DOUBLE",
    };
    return `${values[column] ?? `0::${type}`} AS "${column}"`;
  });
  await database.connection.run(
    `COPY (SELECT ${columns.join(", ")} FROM range(2) AS r(i)) TO '${join(others, "events-00000.parquet")}'`,
  );
  database.close();
  const read = await readEvents(others);
  const values = (["durNs", "layer", "seq", "flops", "tokens"] as const).map((column) => [...read[column]]);
  expect(values).toEqual([
    [0.5, 0],
    [-1, 300],
    [-1, -1],
    [2 ** 53 - 1, 2 ** 53 - 2],
    [0, 1],
  ]);
});

test("a second model's ranks and collectives stand after the first's", async () => {
  const folder = temporaryFolder();
  const writer = await ParquetWriter.open(folder, names);
  await writer.append(spans(50), { rank: 8, group: 100, step: 0 });
  await writer.flush(1000n);
  writer.close();
  const { rank, group } = await readEvents(folder);
  expect(Math.min(...rank)).toBeGreaterThanOrEqual(8);
  expect(new Set(group)).toEqual(new Set([-1, 100]));
});

test("Parquet columns have the types of the format", async () => {
  const folder = temporaryFolder();
  await write(folder, [spans(100)]);
  const run = new Run(info({ id: "r" }), folder);
  const { rows } = await run.sql("SELECT column_name AS name, column_type AS type FROM (DESCRIBE events)");
  expect(Object.fromEntries(rows.map(({ name, type }) => [name, type]))).toEqual({
    ...{
      start_ns: "BIGINT",
      dur_ns: "BIGINT",
      rank: "USMALLINT",
      stream: "USMALLINT",
      name: "VARCHAR",
      kind: "VARCHAR",
    },
    ...{
      phase: "VARCHAR",
      step: "INTEGER",
      layer: "SMALLINT",
      tokens: "INTEGER",
      sequences: "INTEGER",
      flops: "BIGINT",
    },
    ...{
      bytes: "BIGINT",
      wire_bytes: "BIGINT",
      wire_type: "VARCHAR",
      algorithm: "VARCHAR",
      group: "SMALLINT",
      seq: "BIGINT",
    },
    ...{ cell: "INTEGER", request: "INTEGER" },
  });
});

function info(part: Partial<RunInfo>): RunInfo {
  return {
    format: 1,
    id: "run",
    label: "a run",
    createdAt: "2026-01-02T03:04:05.000Z",
    status: "complete",
    model: { name: "m", family: "mamba", layers: 1, hidden: 1, inner: 2, states: 1, vocabulary: 4, parameters: 10 },
    tensorParallel: 2,
    threadsPerRank: 1,
    device: "cpu",
    computeType: "f32",
    allReduce: { x_proj: "f32", out_proj: "int8" },
    quantisationGroup: 128,
    machine: { cpu: "", isa: "avx2", cores: 2, memoryBytes: 1 },
    versions: {},
    originNs: "1000",
    clocks: [],
    overhead: { spans: 0, nsPerSpan: 0, share: 0, writeMs: 0 },
    events: 0,
    lost: 0,
    durationNs: 0,
    requests: [],
    ...part,
  };
}

async function runWith(
  root: string,
  base: string,
  part: Partial<RunInfo>,
  chunks: readonly SpanColumns[],
): Promise<string> {
  const { id, folder } = await createRunFolder(root, base);
  await write(folder, chunks);
  await writeInfo(folder, info({ ...part, id }));
  return id;
}

test("a run whose process was killed opens as interrupted, with the chunks that were written", async () => {
  const root = temporaryFolder();
  const id = await runWith(root, "killed", { status: "recording" }, [spans(300), spans(200)]);
  expect((await openRun(id, { runs: root })).info.status).toBe("recording"); // this process, which is alive

  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  const path = join(root, id, "run.json");
  const stored = JSON.parse(readFileSync(path, "utf8")) as { recorder: { pid: number } };
  stored.recorder.pid = child.pid ?? 0;
  writeFileSync(path, JSON.stringify(stored));
  writeFileSync(join(root, id, "events-00002.parquet.tmp"), "half a chunk");

  const run = await openRun(join(root, id));
  expect(run.info.status).toBe("interrupted");
  expect((await run.events()).count).toBe(500);
  expect((await listRuns({ runs: root })).map((one) => [one.id, one.status])).toEqual([[id, "interrupted"]]);
});

test("runs are listed newest first; a broken one is left out, and says what is wrong when opened", async () => {
  const root = temporaryFolder();
  await runWith(root, "old", { createdAt: "2026-01-01T00:00:00.000Z" }, []);
  await runWith(root, "new", { createdAt: "2026-02-01T00:00:00.000Z" }, []);
  await runWith(root, "new", { createdAt: "2026-01-15T00:00:00.000Z" }, []);
  mkdirSync(join(root, "broken"));
  writeFileSync(join(root, "broken", "run.json"), "{");
  mkdirSync(join(root, "later"));
  writeFileSync(join(root, "later", "run.json"), JSON.stringify({ ...info({}), format: 99 }));
  expect((await listRuns({ runs: root })).map((run) => run.id)).toEqual(["new", "new-2", "old"]);
  await expect(openRun("broken", { runs: root })).rejects.toMatchObject({ code: "E_RUN_UNREADABLE" });
  await expect(openRun("later", { runs: root })).rejects.toMatchObject({
    code: "E_RUN_UNREADABLE",
    message: expect.stringContaining("99") as unknown,
  });
  await expect(openRun("absent", { runs: root })).rejects.toMatchObject({ code: "E_RUN_NOT_FOUND" });
  await expect(openRun("../secret", { runs: root })).rejects.toMatchObject({ code: "E_RUN_NOT_FOUND" });
  expect(await listRuns({ runs: join(root, "none") })).toEqual([]);
});

test("a damaged Parquet file is an error, not a crash", async () => {
  const root = temporaryFolder();
  const id = await runWith(root, "damaged", {}, [spans(100)]);
  const [file = ""] = await eventFiles(join(root, id));
  writeFileSync(file, readFileSync(file).subarray(0, 200));
  await expect((await openRun(id, { runs: root })).summary()).rejects.toMatchObject({ code: "E_RUN_UNREADABLE" });
});

test("SQL reads a run and nothing else", async () => {
  const root = temporaryFolder();
  const run = await openRun(await runWith(root, "sql", {}, [spans(1000)]), { runs: root });
  const counted = await run.sql("SELECT count(*) AS n, max(start_ns) AS last FROM events");
  expect(counted).toMatchObject({ columns: ["n", "last"], rows: [{ n: 1000, last: 10_000 }], truncated: false });
  const some = await run.sql("SELECT name FROM events", { maxRows: 5 });
  expect(some.rows).toHaveLength(5);
  expect(some.truncated).toBe(true);
  const secret = join(temporaryFolder(), "secret.csv");
  writeFileSync(secret, "a\n1\n");
  symlinkSync(secret, join(run.folder, "link.csv"));
  const before = readdirSync(run.folder);
  for (const forbidden of [
    `SELECT * FROM read_csv('${secret}')`,
    `SELECT * FROM read_csv('${join(run.folder, "link.csv")}')`,
    `COPY events TO '${join(run.folder, "copy.parquet")}'`,
    "CREATE TABLE t (a INTEGER)",
    "SET threads = 1",
    "DROP VIEW events",
    "SELECT 1; SELECT 2",
    "SELECT nonsense FROM events",
  ]) {
    await expect(run.sql(forbidden)).rejects.toMatchObject({ code: "E_SQL" });
  }
  expect(readdirSync(run.folder)).toEqual(before);
  await expect(run.sql("")).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
  const endless = "SELECT count(*) FROM events a, events b, events c, events d";
  await expect(run.sql(endless, { signal: AbortSignal.timeout(200) })).rejects.toMatchObject({ code: "E_ABORTED" });
  await expect(run.sql(endless, { timeoutMs: 200 })).rejects.toMatchObject({ code: "E_SQL_TOO_LONG" });
  const alike = await run.sql("SELECT 1 AS a, 2 AS a");
  expect(Object.keys(alike.rows[0] ?? {})).toEqual(alike.columns);
});

test("two runs are compared, and drawn without scripts", async () => {
  const root = temporaryFolder();
  const [a, b] = [await runWith(root, "a", {}, [spans(400, 1)]), await runWith(root, "b", {}, [spans(400, 2)])];
  const comparison = await compare(await openRun(a, { runs: root }), await openRun(b, { runs: root }));
  expect(comparison.wireBytes.a).toBeGreaterThan(0);
  expect(plainText(comparison)).toContain(comparison.verdict);
  const exported = join(temporaryFolder(), "deep/timeline.svg");
  await (await openRun(a, { runs: root })).export("svg", exported);
  expect(readFileSync(exported, "utf8")).toMatch(/^<svg/);
});

test("a runs folder that cannot be written is refused before anything runs", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  let ran = false;
  const refused = profile(() => (ran = true), { runs: join(file, "runs") });
  await expect(refused).rejects.toBeInstanceOf(RunError);
  await expect(refused).rejects.toMatchObject({
    code: "E_RUNS_NOT_WRITABLE",
    message: expect.stringContaining("STATELINE_RUNS") as unknown,
  });
  expect(ran).toBe(false);
});

test("models that take turns get a run each, with their own spans and requests alone", async () => {
  const runs = temporaryFolder();
  const load = (allReduce: "f16" | "int8") => loadModel(tinyMamba, { tensorParallel: 2, allReduce });
  await using f16 = await load("f16");
  await using int8 = await load("int8");
  const generations = [f16, int8].map((model) => jest.spyOn(model, "generate"));
  const progress: number[] = [];
  const options = { rounds: 3, maxNewTokens: 4, temperature: 0, labels: ["a", "b"], runs };
  const [a, b] = await profileByTurns([f16, int8], { ...options, onProgress: ({ done }) => progress.push(done) });
  expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
  const turns = generations.flatMap(({ mock }, model) => mock.invocationCallOrder.map((at) => ({ model, at })));
  turns.sort((x, y) => x.at - y.at);
  expect(turns.map(({ model }) => model)).toEqual([0, 1, 1, 0, 0, 1]); // who went second goes first
  for (const [run, wire] of [
    [a, "f16"],
    [b, "int8"],
  ] as const) {
    expect(run.info).toMatchObject({
      status: "complete",
      allReduce: { out_proj: wire },
      label: wire === "f16" ? "a" : "b",
    });
    expect(run.info.requests.map(({ request, newTokens }) => [request, newTokens])).toEqual(
      [0, 1, 2].map((k) => [k, 4]),
    );
    const events = await run.events();
    expect(new Set(events.rank)).toEqual(new Set([0, 1]));
    expect(new Set(events.request)).toEqual(new Set([0, 1, 2]));
  }
  const steps = (await compare(a, b)).phases.map(({ phase, paired }) => [phase, paired?.pairs]);
  expect(steps).toEqual([
    ["prefill", 3],
    ["decode", 9],
  ]);
  await expect(profileByTurns([f16, f16], options)).rejects.toMatchObject({ code: "E_OPTION_INVALID" });
  const shared = profile(() => profileByTurns([f16, int8], { runs }), { models: [int8], runs });
  await expect(shared).rejects.toMatchObject({ code: "E_RECORDING" });
  expect(
    (await listRuns({ runs })).map(({ label }) => label).filter((label) => label === "a" || label === "b"),
  ).toHaveLength(2);
});

test("recordings do not overlap, end with the function, and pass its error on", async () => {
  const runs = temporaryFolder();
  const nested = profile(() => profile(() => undefined, { runs }), { runs });
  await expect(nested).rejects.toMatchObject({ code: "E_RECORDING" });
  await expect(profile(() => Promise.reject(new Error("mine")), { runs })).rejects.toThrow("mine");
  const run = await profile(() => undefined, { runs, label: "nothing" });
  expect(run.info).toMatchObject({ status: "complete", events: 0, label: "nothing" });
  expect(await readInfo(run.folder, run.id)).toEqual(run.info);
  expect((await run.summary()).events).toBe(0);
  expect(readdirSync(runs)).toHaveLength(3); // the refused inner one left nothing
});
