import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { FolderRunSource } from "../../kernel/api/runs/source";
import { reportCollectives } from "../../profiler-ui/trace/collective-table";
import { pick } from "../../profiler-ui/trace/columns";
import { formatCount } from "../../profiler-ui/trace/format";
import { openRun } from "../../kernel/api/runs/open";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { launchChromium } from "../support/chromium";
import { eventually } from "../support/eventually";
import { cli, cliJson } from "../support/cli";
import { temporaryFolder } from "../support/fixtures";
import { storeRun } from "./support/stored-run";
import { syntheticRun } from "./support/synthetic-run";

const f16 = syntheticRun({ id: "f16", label: "stored f16", layers: 2, decodeSteps: 3 });
const int8 = syntheticRun({ id: "int8", label: "stored int8", wireType: "int8", layers: 2, decodeSteps: 3 });

let root: string;
let server: ProfilerServer;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  root = temporaryFolder();
  await storeRun(root, f16);
  await storeRun(root, int8);
  server = await startServer({ source: new FolderRunSource(root), token: "secret" });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

beforeEach(async () => {
  page = await browser.newPage({ viewport: { width: 1300, height: 900 }, acceptDownloads: true });
});

afterEach(() => page.close());

interface Asked {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(path: string, method = "GET", body?: unknown, headers: Record<string, string> = {}): Promise<Asked> {
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers: { authorization: "Bearer secret", "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("SQL on a run", () => {
  test("answers on the page, shows errors, and saves the answer as CSV", async () => {
    await page.goto(server.urlOf("/runs/int8?tab=sql"));
    const text = page.getByRole("textbox", { name: "SQL" });
    await text.fill("SELECT rank, count(*) AS spans FROM events GROUP BY rank ORDER BY rank");
    await text.press("Control+Enter");
    const rows = page.getByRole("region", { name: "Answer" }).locator("tbody tr");
    await rows.first().waitFor();
    const half = int8.events.count / 2;
    await eventually(async () => expect(await rows.allInnerTexts()).toEqual([`0\t${half}`, `1\t${half}`]));
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "CSV" }).click(),
    ]);
    expect(readFileSync(await download.path(), "utf8")).toBe(`rank,spans\r\n0,${half}\r\n1,${half}\r\n`);
    await text.fill("SELECT nothing FROM events");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await eventually(async () =>
      expect(await page.locator("#panel-sql").getByRole("alert").innerText()).toMatch(/nothing.* not found/),
    );
  });

  test.each([
    ["DELETE FROM events", /base table|read only/],
    ["COPY (SELECT 1) TO '/tmp/stateline-out.csv'", /disabled|read only/],
    ["SELECT * FROM read_text('/etc/passwd')", /disabled|allowed|Permission/i],
    ["ATTACH '/tmp/x.db'", /read only/],
    ["SELECT 1; DROP VIEW events", /./],
  ])("refuses %s", async (sql, reason) => {
    const { status, body } = await ask("/api/runs/int8/sql", "POST", { sql });
    expect(status).toBe(400);
    expect((body["error"] as { message: string }).message).toMatch(reason);
    expect((await ask("/api/runs/int8/sql", "POST", { sql: "SELECT count(*) AS n FROM events" })).body["rows"]).toEqual(
      [{ n: int8.events.count }],
    );
  });

  test("ends after a thousand rows, refuses what is no query, and a page of another site", async () => {
    const { body } = await ask("/api/runs/int8/sql", "POST", { sql: "SELECT * FROM range(100000)" });
    expect([(body["rows"] as unknown[]).length, body["truncated"]]).toEqual([1000, true]);
    expect((await ask("/api/runs/int8/sql", "POST", { text: 1 })).status).toBe(400);
    expect((await ask("/api/runs/int8/sql", "POST", { sql: "x".repeat(100_000) })).status).toBe(413);
    const foreign = await ask("/api/runs/int8/sql", "POST", { sql: "SELECT 1" }, { origin: "http://evil.example" });
    expect(foreign.status).toBe(403);
    const cookie = { authorization: "", cookie: `stateline-${server.port}=secret` };
    expect((await ask("/api/runs/int8/sql", "POST", { sql: "SELECT 1" }, cookie)).status).toBe(403);
  });
});

describe("exports", () => {
  test.each([
    ["Perfetto", "int8.pftrace"],
    ["Chrome JSON of rank 1", "int8-rank1.json"],
    ["speedscope", "int8.speedscope.json"],
    ["Parquet", "int8.parquet"],
    ["SVG", "int8.svg"],
  ])("%s comes by the page's menu as the file that run.export writes", async (name, file) => {
    await page.goto(server.urlOf("/runs/int8"));
    await page.waitForSelector("[data-loaded]");
    await page.getByText("Export", { exact: true }).click();
    const link = page.getByRole("link", { name: new RegExp(`^${name}(?! of)`) });
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    expect(download.suggestedFilename()).toBe(file);
    const run = await openRun("int8", { runs: root });
    const folder = temporaryFolder();
    const formats: Readonly<Record<string, Parameters<typeof run.export>[0]>> = {
      Perfetto: "perfetto",
      speedscope: "speedscope",
      Parquet: "parquet",
      SVG: "svg",
    };
    const format = formats[name];
    const path = await run.export(format ?? "chrome", join(folder, format ? file : "traces"));
    const written = format ? path : join(path, "traces-rank1.json");
    expect(readFileSync(await download.path()).equals(readFileSync(written))).toBe(true);
    if (!format) expect(readdirSync(path)).toEqual(["traces-rank0.json", "traces-rank1.json"]);
  });

  test("of an unknown format or run are refused", async () => {
    expect(await ask("/api/runs/int8/export/exe")).toMatchObject({
      status: 404,
      body: { error: { code: "E_FORMAT_UNKNOWN" } },
    });
    expect((await ask("/api/runs/none/export/chrome")).status).toBe(404);
  });
});

describe("keeping runs in order", () => {
  test("a run is renamed, tagged and described on its page, and found by it in the list", async () => {
    await page.goto(server.urlOf("/runs/f16"));
    await page.waitForSelector("[data-loaded]");
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Name").fill("the baseline <b>");
    await page.getByLabel("Tags, with commas between").fill("baseline, night, baseline");
    await page.getByLabel("Notes").fill("before the new kernel");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "the baseline <b>" }).waitFor();
    await eventually(async () =>
      expect(await page.locator(".badge.tag").allInnerTexts()).toEqual(["baseline", "night"]),
    );
    await eventually(async () => expect(await page.locator(".run-notes").innerText()).toBe("before the new kernel"));
    await page.goto(server.urlOf("/"));
    await page.getByRole("searchbox").fill("new kernel night");
    await eventually(async () =>
      expect(await page.locator("tbody th").allInnerTexts()).toEqual([expect.stringContaining("the baseline <b>")]),
    );
    // run.json is the recorder's: it stays as it was.
    expect(JSON.parse(readFileSync(join(root, "f16/run.json"), "utf8"))).toMatchObject({ label: "stored f16" });
  });

  test("a deleted run is gone from list and disk until it is brought back by Undo", async () => {
    await page.goto(server.urlOf("/"));
    await page.getByRole("button", { name: "Delete stored int8" }).click();
    await page.getByText("“stored int8” is deleted.").waitFor();
    await eventually(async () => expect(await page.locator("tbody tr").count()).toBe(1));
    expect((await ask("/api/runs/int8/summary")).status).toBe(404);
    expect(readdirSync(root)).not.toContain("int8");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.waitForFunction(() => document.activeElement?.textContent === "stored int8");
    expect((await ask("/api/runs/int8/summary")).body["events"]).toBe(int8.events.count);
  });

  test("the command line takes a run away and brings it back", async () => {
    const ids = async (...args: string[]): Promise<string[]> =>
      (await cliJson<{ id: string }[]>(["runs", root, ...args])).map(({ id }) => id).sort();
    expect(await ids("--delete", "int8")).toEqual(["f16"]);
    expect(await ids("--restore", "int8")).toEqual(["f16", "int8"]);
    expect((await cli(["runs", root, "--restore", "int8"])).stderr).toMatch(/E_RUN_EXISTS/);
    const out = join(temporaryFolder(), "int8.pftrace");
    expect(await cliJson(["export", "int8", "--runs", root, "--out", out])).toEqual({
      id: "int8",
      format: "perfetto",
      path: out,
    });
  });

  test("notes nested more deeply than JSON can be written are refused as others are", async () => {
    const { port, token } = server;
    const response = await fetch(`http://127.0.0.1:${port}/api/runs/int8`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: `{"label": ${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    });
    expect(await response.json()).toMatchObject({ error: { code: "E_OPTION_INVALID" } });
  });

  test("what cannot be written is refused with its reason", async () => {
    const codeOf = async (answer: Promise<Asked>): Promise<unknown> =>
      ((await answer).body["error"] as { code: unknown }).code;
    expect(await codeOf(ask("/api/runs/int8", "PATCH", { label: "x".repeat(300) }))).toBe("E_OPTION_INVALID");
    expect(await codeOf(ask("/api/runs/int8", "PATCH", { tags: "none" }))).toBe("E_OPTION_INVALID");
    expect(await codeOf(ask("/api/runs/int8", "PATCH", []))).toBe("E_OPTION_INVALID");
    expect(await codeOf(ask("/api/runs/..%2fint8", "DELETE"))).toBe("E_RUN_ID_INVALID");
    expect(await codeOf(ask("/api/runs/none", "DELETE"))).toBe("E_RUN_NOT_FOUND");
    expect(await codeOf(ask("/api/runs/int8/restore", "POST"))).toBe("E_RUN_EXISTS");
    const foreign = ask("/api/runs/int8", "DELETE", undefined, { origin: "http://evil.example" });
    expect(await codeOf(foreign)).toBe("E_ORIGIN_REFUSED");
  });

  test("a run that is being recorded appears, grows on its page, and cannot be deleted", async () => {
    const half = Math.floor(f16.events.count / 2);
    const first = pick(
      f16.events,
      Uint32Array.from({ length: half }, (_, i) => i),
    );
    const live = { ...f16.info, id: "live", label: "live run", status: "recording" as const };
    await page.goto(server.urlOf("/"));
    await page.waitForSelector("table");
    await storeRun(root, { info: { ...live, events: half }, events: first });
    await page.getByRole("link", { name: "live run" }).click();
    await page.waitForSelector("[data-loaded]");
    const range = page.locator(".range");
    const before = await range.innerText();
    expect((await ask("/api/runs/live", "DELETE")).status).toBe(409);
    await storeRun(root, { info: { ...live, status: "complete" }, events: f16.events });
    await page.waitForFunction((old) => document.querySelector(".range")?.textContent !== old, before);
    await eventually(async () =>
      expect(await page.locator(".facts").first().innerText()).toContain(formatCount(f16.events.count)),
    );
    await eventually(async () => expect(await page.locator(".badge").count()).toBe(0));
  });

  test("the collectives and charts of a run that is recorded grow with it; filter, order and focus stay", async () => {
    const half = Math.floor(f16.events.count / 2);
    const first = pick(
      f16.events,
      Uint32Array.from({ length: half }, (_, i) => i),
    );
    const growing = { ...f16.info, id: "growing", label: "growing", status: "recording" as const };
    await storeRun(root, { info: { ...growing, events: half }, events: first });
    await page.goto(server.urlOf("/runs/growing?tab=analysis"));
    const spans = page.getByRole("region", { name: "Time by op and rank", includeHidden: true });
    await spans.waitFor({ state: "attached" });
    await page.waitForSelector("[data-loaded]", { state: "attached" });
    const halfTime = await spans.textContent();
    await page.getByRole("tab", { name: "Collectives" }).click();
    await page.getByLabel("Op", { exact: true }).selectOption("all_reduce.out_proj");
    await page.getByRole("button", { name: "skew", exact: true }).click();
    const sorted = page.locator("th[aria-sort=descending]");
    await eventually(async () => expect(await sorted.innerText()).toBe("skew"));
    const matched = page.getByText(/ matched by group and ordinal/);
    const before = await matched.innerText();
    await storeRun(root, { info: { ...growing, status: "complete" }, events: f16.events });
    const outProj = reportCollectives(f16.events, f16.info.clocks).rows.filter(
      ({ name }) => name === "all_reduce.out_proj",
    );
    await eventually(async () => expect(await matched.innerText()).toMatch(new RegExp(`^${outProj.length} matched`)));
    expect(before).not.toContain(`${outProj.length} matched`);
    expect(await page.getByLabel("Op", { exact: true }).inputValue()).toBe("all_reduce.out_proj");
    expect(await sorted.innerText()).toBe("skew");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("skew");
    // What was not seen meanwhile is renewed when it is.
    await page.getByRole("tab", { name: "Analysis" }).click();
    await eventually(async () => expect(await spans.textContent()).not.toBe(halfTime));
  });
});
