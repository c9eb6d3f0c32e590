import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { FolderRunSource } from "../../kernel/api/runs/source";
import { openDatabase } from "../../kernel/api/runs/duckdb";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { launchChromium } from "../support/chromium";
import { eventually } from "../support/eventually";
import { temporaryFolder } from "../support/fixtures";
import { eventsOf } from "./support/events";
import { storeRun } from "./support/stored-run";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

const MARKUP = `<img src=x onerror="document.body.dataset.broken=1"><script>document.body.dataset.broken=1</script>`;
const good = syntheticRun({ id: "good", layers: 1, decodeSteps: 2 });

let browser: Browser;
beforeAll(async () => (browser = await launchChromium()));
afterAll(() => browser.close());

const servers: ProfilerServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

describe("a crafted run", () => {
  test("with markup, negative, huge and missing numbers is shown as text on every page and runs nothing", async () => {
    const events = eventsOf([
      { name: "step", start: 0, dur: 5e9, rank: 0 },
      { name: MARKUP, kind: MARKUP, phase: MARKUP, wireType: MARKUP, algorithm: MARKUP, start: -5, dur: 10, seq: 0 },
      { name: "all_reduce.x", start: 1e15, dur: -7, seq: 2 ** 52, group: 32767, wireBytes: NaN, flops: Infinity },
      { name: "all_reduce.x", start: 1e15, dur: 7, rank: 65535, seq: 2 ** 52, group: 32767, wireBytes: 1e300 },
      { name: "norm", start: 20, dur: NaN, layer: 32767, bytes: -1e300 },
    ]);
    const info = {
      ...good.info,
      id: "bad",
      label: MARKUP,
      notes: MARKUP,
      tags: [MARKUP],
      model: { ...good.info.model, name: MARKUP },
      requests: good.info.requests.map((request) => ({ ...request, prompt: MARKUP, text: MARKUP })),
      events: events.count,
    };
    const server = await startServer({ source: sourceOf([{ info, events }, good]), token: "t" });
    servers.push(server);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    for (const path of [
      "/",
      "/runs/bad",
      "/runs/bad?tab=collectives",
      "/runs/bad?tab=analysis",
      "/compare?a=bad&b=good",
    ]) {
      await page.goto(server.urlOf(path));
      await page.waitForTimeout(700);
      await eventually(async () => expect(await page.evaluate(() => document.body.dataset["broken"])).toBeUndefined());
      await eventually(async () => expect(await page.locator("main img, main script").count()).toBe(0));
    }
    expect(errors).toEqual([]);
    for (const format of ["perfetto", "chrome", "speedscope", "svg"]) {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/runs/bad/export/${format}`, {
        headers: { authorization: "Bearer t" },
      });
      expect([format, response.status]).toEqual([format, 200]);
      if (format === "svg") expect(await response.text()).not.toMatch(/<img|<script/);
    }
    await page.close();
  });

  test("in files that are none is refused with what is wrong, and the server goes on", async () => {
    const root = temporaryFolder();
    await storeRun(root, good);
    const broken = (id: string, description: string): string => {
      mkdirSync(join(root, id));
      writeFileSync(join(root, id, "run.json"), description);
      return join(root, id);
    };
    const described = (id: string): string => JSON.stringify({ ...good.info, id });
    broken("not-json", "{");
    broken("no-run", "[]");
    broken("future", JSON.stringify({ ...good.info, format: 99 }));
    writeFileSync(join(broken("garbage", described("garbage")), "events-00000.parquet"), "PAR1 not really PAR1");
    const columns = broken("columns", described("columns"));
    const database = await openDatabase();
    await database.connection.run(`COPY (SELECT 1 AS start_ns, 'x' AS name) TO '${columns}/events-00000.parquet'`);
    const claims = broken("claims", described("claims"));
    await database.connection.run(
      `COPY (SELECT 1::BIGINT AS start_ns FROM range(25000000)) TO '${claims}/events-00000.parquet'`,
    );
    database.close();
    writeFileSync(join(broken("notes", described("notes")), "notes.json"), '{"label": 7, "tags": {"a": 1}}');
    const server = await startServer({ source: new FolderRunSource(root), token: "t" });
    servers.push(server);
    const ask = async (path: string): Promise<{ status: number; text: string }> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/${path}`, {
        headers: { authorization: "Bearer t" },
      });
      return { status: response.status, text: await response.text() };
    };
    const ids = (JSON.parse((await ask("runs")).text) as { id: string; label: string }[]).map(({ id }) => id);
    expect(ids.sort()).toEqual(["claims", "columns", "garbage", "good", "notes"]);
    for (const id of ["not-json", "no-run", "future", "garbage", "columns", "claims"]) {
      const { status, text } = await ask(`runs/${id}/summary`);
      expect([id, status]).toEqual([id, 422]);
      expect(text).toMatch(/E_RUN_UNREADABLE/);
    }
    expect((await ask("runs/claims/summary")).text).toMatch(/there are 25000000, at most 24000000 are read at once/);
    expect(JSON.parse((await ask("runs/notes")).text)).toMatchObject({ label: good.info.label });
    expect((await ask("runs/good/summary")).status).toBe(200);
  });

  test("whose few kilobytes unpack to gigabytes, or to more than can be drawn, is refused soon", async () => {
    const root = temporaryFolder();
    await storeRun(root, good);
    const source = new FolderRunSource(root);
    const server = await startServer({ source, token: "t" });
    servers.push(server);
    const database = await openDatabase();
    for (const [id, change, rows, reason] of [
      ["long-text", "repeat('x', 100000000) AS name", 1, /name has a text of 100000000 bytes, at most 2000 are read/],
      ["many-texts", "repeat('x', 1000) || i AS phase", 100_000, /phase has more than 255 different texts/],
      ["lists", "[i, 2] AS kind", 1, /kind is BIGINT\[\], no text/],
      ["lanes", "(i % 65536)::USMALLINT AS rank", 10_000, /more than 4096 ranks and streams/],
    ] as const) {
      mkdirSync(join(root, id));
      // Long enough to be sketched.
      writeFileSync(join(root, id, "run.json"), JSON.stringify({ ...good.info, id, events: 1e6 }));
      const from = `(SELECT * FROM '${join(root, "good")}/*.parquet' LIMIT 1), range(${rows}) AS made(i)`;
      const path = join(root, id, "events-00000.parquet");
      await database.connection.run(
        `COPY (SELECT * REPLACE (${change}, i AS start_ns) FROM ${from}) TO '${path}' (COMPRESSION zstd)`,
      );
      expect(statSync(path).size).toBeLessThan(500_000);
      for (const question of ["sketch", "lanes", "export/perfetto"]) {
        const response = await fetch(`http://127.0.0.1:${server.port}/api/runs/${id}/${question}`, {
          headers: { authorization: "Bearer t" },
        });
        expect([id, question, response.status, await response.text()]).toEqual([
          id,
          question,
          422,
          expect.stringMatching(reason),
        ]);
      }
    }
    database.close();
  });

  test("that leads out of its folder, or waits for a pipe, is refused, and nothing outside is read or written", async () => {
    const root = temporaryFolder();
    const outside = temporaryFolder();
    for (const id of ["good", "linked-events", "pipe", "linked-notes"])
      await storeRun(root, { ...good, info: { ...good.info, id } });
    const elsewhere = await storeRun(outside, good);
    symlinkSync(elsewhere, join(root, "linked"));
    const events = join(root, "linked-events", "events-00000.parquet");
    rmSync(events);
    symlinkSync(join(elsewhere, "events-00000.parquet"), events);
    rmSync(join(root, "pipe", "run.json"));
    execFileSync("mkfifo", [join(root, "pipe", "run.json"), join(root, "good", "notes.json")]);
    const precious = join(outside, "precious");
    writeFileSync(precious, "precious");
    symlinkSync(precious, join(root, "linked-notes", "notes.json"));
    symlinkSync(precious, join(root, "linked-notes", "notes.json.tmp"));
    symlinkSync(outside, join(root, ".trash"));
    const source = new FolderRunSource(root);
    const unreadable = { code: "E_RUN_UNREADABLE" };
    await expect(source.info("linked")).rejects.toMatchObject(unreadable);
    await expect(source.info("pipe")).rejects.toMatchObject(unreadable);
    for (const read of [() => source.events("linked-events"), () => source.sketch("linked-events", 10)])
      await expect(read()).rejects.toMatchObject(unreadable);
    expect((await source.list()).map(({ id }) => id).sort()).toEqual(["good", "linked-events", "linked-notes"]);
    expect(await source.store.annotate("linked-notes", { label: "mine" })).toEqual({ label: "mine" });
    expect(await source.info("linked-notes")).toMatchObject({ label: "mine" });
    await expect(source.store.remove("good")).rejects.toMatchObject({ code: "E_RUNS_NOT_WRITABLE" });
    expect(readdirSync(outside).sort()).toEqual(["good", "precious"]);
    expect(readFileSync(precious, "utf8")).toBe("precious");
  });

  test("whose description is nested more deeply than anything can follow neither fails nor hides the others", async () => {
    const root = temporaryFolder();
    for (const id of ["good", "beside", "inside"]) await storeRun(root, { ...good, info: { ...good.info, id } });
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const change = (id: string, from: string, to: string): void => {
      const path = join(root, id, "run.json");
      writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
    };
    change("beside", '"label":', `"more": ${deep}, "label":`);
    change("inside", `"label": "${good.info.label}"`, `"label": ${deep}`);
    const server = await startServer({ source: new FolderRunSource(root), token: "t" });
    servers.push(server);
    const ask = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${server.port}/api/${path}`, {
        headers: { authorization: "Bearer t" },
      });
      return response.json();
    };
    expect(((await ask("runs")) as { id: string }[]).map(({ id }) => id).sort()).toEqual(["beside", "good"]);
    expect(await ask("runs/inside")).toMatchObject({ error: { code: "E_RUN_UNREADABLE" } });
    expect(await ask("runs/beside/lanes")).toHaveLength(6);
  });

  test("whose description holds anything else than a run's is refused with the place, or is shown without harm", async () => {
    const root = temporaryFolder();
    await storeRun(root, good);
    const source = new FolderRunSource(root);
    const path = join(root, "good", "run.json");
    const whole = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    const refused: string[] = [];
    for (const [name, parts] of Object.entries(whole)) {
      for (const wrong of [7, "x", [null], { x: { y: 1 } }]) {
        writeFileSync(path, JSON.stringify({ ...whole, [name]: wrong }));
        const answer = await source.info("good").then(
          () => undefined,
          (error: unknown) => error as Error & { code?: unknown },
        );
        const isOther = Array.isArray(wrong) !== Array.isArray(parts) || typeof wrong !== typeof parts;
        if (!answer && isOther && name !== "id") throw new Error(`${name} may be ${JSON.stringify(wrong)}`);
        if (!answer) continue;
        expect([name, answer.code]).toEqual([name, "E_RUN_UNREADABLE"]);
        expect(answer.message).toContain(name);
        refused.push(answer.message);
      }
    }
    expect(refused).toContainEqual(expect.stringMatching(/clocks\[0\] must be an object, got null$/));
    expect(refused).toContainEqual(expect.stringMatching(/allReduce\.x must be a text, got {"y":1}$/));
  });
});

describe("queries from the page", () => {
  const ENDLESS = "SELECT count(*) FROM events a, events b, events c, events d, events e, events f";
  let server: ProfilerServer;
  beforeAll(async () => {
    const root = temporaryFolder();
    await storeRun(root, good);
    server = await startServer({ source: new FolderRunSource(root), token: "t" });
    servers.push(server);
  });

  async function query(sql: string, signal?: AbortSignal): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${server.port}/api/runs/good/sql`, {
      method: "POST",
      headers: { authorization: "Bearer t", "content-type": "application/json" },
      body: JSON.stringify({ sql }),
      ...(signal ? { signal } : {}),
    });
    return { status: response.status, text: await response.text() };
  }

  test.each([
    ["SELECT repeat('x', 50000000) FROM range(2000)", "E_SQL_TOO_LARGE"],
    ["SELECT repeat('x', 70000000)", "E_SQL"],
  ])("that would fill the memory end, and the server answers the next: %s", async (sql, code) => {
    const { status, text } = await query(sql);
    expect([status, JSON.parse(text)]).toEqual([400, { error: expect.objectContaining({ code }) as unknown }]);
    expect((await query("SELECT count(*) AS n FROM events")).text).toContain(`"rows":[{"n":${good.events.count}}]`);
  });

  test("are answered two at a time, some wait, and more are refused until their readers are gone", async () => {
    const gone = new AbortController();
    const codes: string[] = [];
    const asked = Array.from({ length: 11 }, () =>
      query(ENDLESS, gone.signal).then(
        ({ status, text }) => codes.push(`${status} ${/E_SQL\w*/.exec(text)?.[0]}`),
        () => codes.push("gone"),
      ),
    );
    await eventually(async () => {
      expect(codes).toEqual(Array(3).fill("503 E_SQL_BUSY"));
      expect(await queryProcesses()).toHaveLength(2);
    });
    gone.abort();
    await Promise.all(asked);
    expect(codes.slice(3)).toEqual(Array(8).fill("gone"));
    await eventually(async () => expect(await queryProcesses()).toEqual([]));
    expect((await query("SELECT 1 AS one")).status).toBe(200);
  });
});

/** Processes of this one that answer queries. */
async function queryProcesses(): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "args=", "--ppid", String(process.pid)]);
  return stdout.split("\n").filter((line) => line.includes("sql-process"));
}
