import { readdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import { importRun } from "../../kernel/api/runs/import/index";
import { FolderRunSource } from "../../kernel/api/runs/source";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { reportCollectives } from "../../profiler-ui/trace/collective-table";
import { exportTrace } from "../../profiler-ui/trace/export/index";
import { summarise } from "../../profiler-ui/trace/summary";
import { launchChromium } from "../support/chromium";
import { cli, cliJson } from "../support/cli";
import { eventually } from "../support/eventually";
import { temporaryFolder } from "../support/fixtures";
import { kinetoTrace, nsysExport } from "./support/foreign-traces";
import { syntheticRun } from "./support/synthetic-run";

const root = temporaryFolder();
const files = temporaryFolder();

function file(name: string, content: string | Uint8Array): string {
  const path = join(files, name);
  writeFileSync(path, content);
  return path;
}

describe("an imported trace", () => {
  test("of our own export has the time, the ops and the collectives of the run it came from", async () => {
    const run = syntheticRun({ id: "own", label: "own", wireType: "int8", ranks: 2, layers: 3, decodeSteps: 4 });
    const traced = [0, 1].map((rank) =>
      file(`own-rank${rank}.json`, Buffer.concat([...exportTrace("chrome", run.events, run.info, rank)])),
    );
    const imported = await importRun(traced, { runs: root });
    const [before, after] = [summarise(run.events), summarise(await imported.events())];
    expect(imported.info).toMatchObject({ tensorParallel: 2, events: run.events.count, status: "complete" });
    expect(after.ranks.map(({ stepNs }) => stepNs)).toEqual(before.ranks.map(({ stepNs }) => stepNs));
    for (const [k, rank] of before.ranks.entries()) {
      expect(after.ranks[k]?.exposedNs).toBe(rank.exposedNs);
      expect(after.ranks[k]?.overlapShare).toBe(rank.overlapShare);
      expect(after.ranks[k]?.kinds).toEqual(rank.kinds);
    }
    const totals = (ops: typeof before.ops): [string, number, number][] =>
      ops.map(({ name, count, totalNs }): [string, number, number] => [name, count, totalNs]).sort();
    expect(totals(after.ops)).toEqual(totals(before.ops));
    expect(after.collectives).toEqual(before.collectives);
    expect(after.wireBytes).toBe(before.wireBytes);
  });

  test("of PyTorch's profiler, a packed file a rank, shows overlap, skew and bytes as counted by hand", async () => {
    const traced = [0, 1].map((rank) => file(`r${rank}.pt.trace.json.gz`, gzipSync(kinetoTrace(rank, 30))));
    const run = await importRun(traced, { runs: root, label: "two ranks" });
    const events = await run.events();
    const { ranks, ops, collectives } = summarise(events);
    expect(run.info).toMatchObject({ label: "two ranks", device: "NVIDIA H100", tensorParallel: 2 });
    expect(run.info.notes).toContain("4 × python_function");
    expect(ranks[0]).toMatchObject({ rank: 0, collectiveNs: 800_000, exposedNs: 600_000, overlapShare: 0.25 });
    expect(ops.find(({ name }) => name === "cutlass::Kernel2<cutlass_80_gemm_f16>")).toMatchObject({
      ...{ kind: "gemm", count: 4, totalNs: 1_200_000 },
    });
    // 4096 halves by a ring of two: each rank sends 2(n-1)/n of 8192 bytes.
    expect(collectives).toEqual([
      expect.objectContaining({
        ...{ name: "all_reduce", wireType: "f16", algorithm: "ring LL", count: 2, wireBytes: 4 * 8192 },
        ...{ meanSkewNs: 30_000, meanTransferNs: 370_000 },
      }),
    ]);
    const { rows } = reportCollectives(events, run.info.clocks);
    expect(rows.map(({ seq, algbw }) => [seq, Math.round(algbw)])).toEqual([
      [100, Math.round(8192e9 / 370_000)],
      [101, Math.round(8192e9 / 370_000)],
    ]);
    expect([...new Set(events.step)].sort()).toEqual([0, 1]);
  });

  test("of nsys tells processes that each see one GPU apart, and matches their collectives by order", async () => {
    const run = await importRun(file("report.sqlite", await nsysExport()), { runs: root });
    const events = await run.events();
    const { ranks, ops, collectives } = summarise(events);
    expect(ranks.map(({ stepNs, collectiveNs }) => [stepNs, collectiveNs])).toEqual([
      [14_500, 4000],
      [14_500, 3500],
    ]);
    expect(ops.find(({ kind }) => kind === "scan")).toMatchObject({
      name: "selective_scan_fwd_kernel<64>",
      totalNs: 16_000,
    });
    expect(collectives).toEqual([
      expect.objectContaining({
        name: "all_reduce",
        wireType: "bf16",
        algorithm: "tree LL",
        count: 1,
        meanSkewNs: 500,
      }),
    ]);
    expect(run.info.notes).toContain("2 × NVTX mark");
  });

  test("of any other writer of Chrome's format has a rank a process and a stream a thread, begins and ends paired", async () => {
    const events = [
      { ph: "B", name: "outer", pid: 5, tid: "a", ts: 0 },
      { ph: "X", name: "inner", pid: 5, tid: "a", ts: 1, dur: 2 },
      { ph: "E", pid: 5, tid: "a", ts: 10 },
      { ph: "X", name: "elsewhere", pid: "gpu", tid: 1, ts: 4, dur: 1.5 },
    ];
    // A writer that was killed leaves the list open.
    const run = await importRun(file("plain.json", JSON.stringify(events).slice(0, -1)), { runs: root });
    const columns = await run.events();
    const spans = [...columns.startNs].map((start, i) => [
      ...[columns.name.texts[columns.name.codes[i] ?? 0], columns.rank[i], start, columns.durNs[i]],
    ]);
    expect(spans).toEqual([
      ["outer", 0, 0, 10_000],
      ["inner", 0, 1000, 2000],
      ["elsewhere", 1, 4000, 1500],
    ]);
  });

  test("with more names than a run tells apart keeps the longest and the sum of the others", async () => {
    const events = Array.from({ length: 400 }, (_, k) => ({
      ph: "X",
      name: `op${k}`,
      pid: 0,
      tid: 0,
      ts: 1000 * k,
      dur: k + 1,
    }));
    const run = await importRun(file("names.json", JSON.stringify({ traceEvents: events })), { runs: root });
    const { ops } = summarise(await run.events());
    expect(ops).toHaveLength(251);
    expect(ops.find(({ name }) => name === "(other ops)")).toMatchObject({
      count: 150,
      totalNs: (150 * 151 * 1000) / 2,
    });
  });
});

describe("what is no trace", () => {
  const bomb = (): Uint8Array => gzipSync(Buffer.concat([Buffer.from('{"traceEvents":['), Buffer.alloc(40e6, 0x20)]));
  const threads = (count: number): string =>
    JSON.stringify(Array.from({ length: count }, (_, tid) => ({ ph: "X", name: "a", pid: tid, tid, ts: tid, dur: 1 })));
  const cases: readonly (readonly [string, string, () => string | Uint8Array | Promise<Uint8Array>])[] = [
    ["a text", "E_IMPORT_INVALID", () => "hello"],
    ["an empty file", "E_IMPORT_INVALID", () => ""],
    ["a trace that ends in the middle", "E_IMPORT_INVALID", () => kinetoTrace(0).slice(0, -200)],
    ["a trace without spans", "E_IMPORT_INVALID", () => '{"traceEvents": [{"ph": "M", "name": "process_name"}]}'],
    ["an event that is no JSON", "E_IMPORT_INVALID", () => '{"traceEvents": [{"ph": X}]}'],
    ["an endless event", "E_IMPORT_INVALID", () => `{"traceEvents": [{"ph": "${"x".repeat(2 << 20)}`],
    ["a broken .gz", "E_IMPORT_INVALID", () => gzipSync(kinetoTrace(0)).subarray(0, 100)],
    ["a .gz that unpacks to hundreds of times its size", "E_IMPORT_TOO_LARGE", bomb],
    ["a trace of more threads than can be drawn", "E_IMPORT_TOO_LARGE", () => threads(5000)],
    [
      "a damaged SQLite file",
      "E_IMPORT_INVALID",
      () => Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(5000, 7)]),
    ],
    [
      "times that are none",
      "E_IMPORT_INVALID",
      () => '[{"ph":"X","ts":"soon","dur":1},{"ph":"X","ts":1e300,"dur":1},{"ph":"X","ts":1,"dur":-1}]',
    ],
  ];
  test.each(cases)("%s is refused with %s and leaves nothing behind", async (name, code, content) => {
    const empty = temporaryFolder();
    const path = file(`${name.replaceAll(" ", "-")}.bin`, await content());
    await expect(importRun(path, { runs: empty })).rejects.toMatchObject({ code });
    expect(readdirSync(empty)).toEqual([]);
  });

  test("a view in the place of nsys's table is not run", async () => {
    const endless = `DROP TABLE CUPTI_ACTIVITY_KIND_KERNEL; DROP TABLE NVTX_EVENTS;
      CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS WITH RECURSIVE t(start) AS (SELECT 1 UNION ALL SELECT start FROM t) SELECT * FROM t;`;
    const path = file("view.sqlite", await nsysExport(endless));
    await expect(importRun(path, { runs: root })).rejects.toMatchObject({ code: "E_IMPORT_INVALID" });
  });

  test("an aborted import ends and takes its folder away", async () => {
    const empty = temporaryFolder();
    const abort = new AbortController();
    const importing = importRun(file("abort.json", kinetoTrace(0)), { runs: empty, signal: abort.signal });
    abort.abort();
    await expect(importing).rejects.toMatchObject({ code: "E_ABORTED" });
    expect(readdirSync(empty)).toEqual([]);
  });
});

test("`stateline import` makes a run that `stateline runs` lists", async () => {
  const runs = temporaryFolder();
  const path = file("cli.json.gz", gzipSync(kinetoTrace(0)));
  const made = await cliJson<{ id: string; events: number; ranks: number }>(["import", path, "--runs", runs]);
  expect(made).toMatchObject({ events: 10, ranks: 1 });
  expect(await cliJson(["runs", runs])).toMatchObject([{ id: made.id, label: "cli.json.gz" }]);
  expect(await cli(["import", join(files, "missing.json"), "--runs", runs])).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining("E_IMPORT_UNREADABLE") as string },
  });
});

describe("an upload", () => {
  const runs = temporaryFolder();
  let server: ProfilerServer;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    server = await startServer({ source: new FolderRunSource(runs), token: "secret" });
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1300, height: 800 } });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  const post = (
    named: unknown,
    body: string,
    headers: Record<string, string> = {},
    { port }: ProfilerServer = server,
  ): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/api/imports?files=${encodeURIComponent(JSON.stringify(named))}`, {
      ...{ method: "POST", body, headers: { authorization: "Bearer secret", ...headers } },
    });

  test("by the button makes a run that opens", async () => {
    await page.goto(server.url);
    await page.getByLabel("Traces to import").setInputFiles(
      [0, 1].map((rank) => ({
        ...{ name: `rank${rank}.json`, mimeType: "application/json", buffer: Buffer.from(kinetoTrace(rank, 30)) },
      })),
    );
    await page.getByRole("link", { name: "Open the run" }).click();
    await page.getByRole("heading", { level: 1, name: "rank0.json and 1 more" }).waitFor();
    await page.getByRole("tab", { name: "Collectives" }).click();
    await eventually(async () => expect(await page.getByRole("tabpanel").innerText()).toContain("ring LL"));
  });

  test("by drag and drop says what is wrong with a file, and then takes a good one", async () => {
    await page.goto(server.url);
    await page.getByRole("button", { name: "Import…" }).waitFor();
    const drop = (name: string, text: string): Promise<void> =>
      page.evaluate(
        ([called, content]) => {
          const data = new DataTransfer();
          data.items.add(new File([content], called));
          dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        },
        [name, text] as const,
      );
    await drop("<img src=x>.json", "nothing");
    await page.getByText("it is not JSON").waitFor();
    await drop("../../<b>evil</b>.json", kinetoTrace(0));
    await page.getByRole("link", { name: "Open the run" }).waitFor();
    await page.getByRole("link", { name: "../../<b>evil</b>.json" }).waitFor();
    expect(readdirSync(runs).every((name) => /^[0-9]{8}-[0-9]{6}-import-[A-Za-z0-9.-]+$/.test(name))).toBe(true);
  });

  test("without token, from another site, of other sizes than announced or too large is refused", async () => {
    const body = kinetoTrace(0);
    const named = [{ name: "a.json", bytes: body.length }];
    expect((await post(named, body, { authorization: "Bearer wrong" })).status).toBe(403);
    expect((await post(named, body, { origin: "http://evil.example" })).status).toBe(403);
    expect((await post([{ name: "a.json", bytes: body.length - 1 }], body)).status).toBe(400);
    expect((await post([{ name: "a.json", bytes: 1e12 }], body)).status).toBe(413);
    expect((await post("x", body)).status).toBe(400);
    expect((await post([{ name: "a.json", bytes: 3 }], "{} ")).status).toBe(422);
    expect(readdirSync(runs).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("that stands still, or drips, is refused and makes room for the next", async () => {
    const impatient = await startServer({
      source: new FolderRunSource(runs),
      token: "secret",
      uploadPatienceMs: 300,
    });
    const begin = (bytes: number): Socket => {
      const socket = connect(impatient.port, "127.0.0.1");
      const named = encodeURIComponent(JSON.stringify([{ name: "a.json", bytes }]));
      socket.write(
        `POST /api/imports?files=${named} HTTP/1.1\r\nHost: 127.0.0.1:${impatient.port}\r\n` +
          `Authorization: Bearer secret\r\nContent-Length: ${bytes}\r\n\r\n`,
      );
      return socket;
    };
    try {
      for (const drips of [false, true]) {
        const socket = begin(100_000);
        const dripping = drips ? setInterval(() => socket.write(" "), 50) : undefined;
        // Until the server closes the connection.
        const said = await text(socket);
        clearInterval(dripping);
        expect(said).toMatch(/^HTTP\/1\.1 408 /);
        expect(said).toContain('"code":"E_IMPORT_STALLED"');
        const body = kinetoTrace(0);
        expect((await post([{ name: "a.json", bytes: body.length }], body, {}, impatient)).status).toBe(201);
      }
      expect(readdirSync(runs).filter((name) => name.startsWith("."))).toEqual([]);
    } finally {
      await impatient.close();
    }
  });
});
