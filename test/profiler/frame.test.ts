/** A run's live timeline in a notebook: a frame of the profiler that serves its folder, and nothing of its token. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { profilerView } from "../../kernel/api/runs/profiler-address";
import { launchChromium } from "../support/chromium";
import { cli, finished, startCli, type CliResult } from "../support/cli";
import { temporaryFolder } from "../support/fixtures";
import { storeRun } from "./support/stored-run";
import { syntheticRun } from "./support/synthetic-run";

const runs = temporaryFolder();
const announcement = join(runs, ".profiler.json");
let browser: Browser;

beforeAll(async () => {
  await storeRun(runs, syntheticRun({ id: "one", label: "one run" }));
  browser = await launchChromium();
});
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL"); // of a test that failed half-way
  await browser.close();
});

const started: ChildProcess[] = [];

interface Serving {
  readonly token: string;
  end(): Promise<CliResult>;
}

async function serve(...flags: readonly string[]): Promise<Serving> {
  const child = startCli(["serve", runs, "--json", ...flags]);
  started.push(child);
  const ended = finished(child);
  const [line] = (await once(child.stdout, "data")) as [string];
  const { token } = JSON.parse(line) as { token: string };
  return {
    token,
    end: () => {
      child.kill("SIGINT");
      return ended;
    },
  };
}

/** The HTML that a cell shows of the run's timeline, and the whole notebook as it is saved. */
async function notebook(): Promise<{ readonly html: string; readonly saved: string }> {
  const file = join(temporaryFolder(), "timeline.ipynb");
  const source = 'import { openRun } from "stateline";\nawait (await openRun("one")).timeline()';
  const cell = { cell_type: "code", source, outputs: [], metadata: {}, execution_count: null };
  writeFileSync(file, JSON.stringify({ cells: [cell], metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  const { code, stderr } = await cli(["notebook", "run", file, "-o", file], { env: { STATELINE_RUNS: runs } });
  if (code !== 0) throw new Error(stderr);
  const saved = readFileSync(file, "utf8");
  const { cells } = JSON.parse(saved) as { cells: { outputs: { data: Record<string, string | string[]> }[] }[] };
  return { html: [cells[0]?.outputs[0]?.data["text/html"] ?? ""].flat().join(""), saved };
}

/** A page of the notebook's server, which is another origin than the profiler. */
async function asNotebookServer(html: string, look: (page: Page) => Promise<void>): Promise<void> {
  const server: Server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const page = await browser.newPage();
  try {
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
    await look(page);
  } finally {
    await page.close();
    server.closeAllConnections();
    server.close();
  }
}

test("while the profiler serves the folder, the timeline unfolds in the notebook; the notebook holds no token", async () => {
  const profiler = await serve();
  if (process.platform !== "win32") expect(statSync(announcement).mode & 0o077).toBe(0);
  const { html, saved } = await notebook();
  expect(html).toMatch(/<img [^>]*src="data:image\/svg\+xml/);
  expect(saved.includes(profiler.token)).toBe(false);
  await asNotebookServer(html, async (page) => {
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.locator("img").waitFor();
    expect(asked.filter((url) => url.includes("/frame/"))).toEqual([]);
    await page.locator("summary").click();
    const frame = page.frameLocator("iframe");
    await frame.getByRole("application").or(frame.locator("canvas")).first().waitFor();
    await frame.locator("progress.done").waitFor({ state: "attached" });
    expect(await frame.locator(".bar").isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });
  expect(await profiler.end()).toMatchObject({ code: 0, stderr: "" });
  expect(existsSync(announcement)).toBe(false);
  // Opened again without the profiler: the picture, and nothing broken beside it.
  await asNotebookServer(html, async (page) => {
    expect(await page.locator("img").isVisible()).toBe(true);
    expect(await page.locator("iframe").isVisible()).toBe(false);
  });
});

test("without a profiler, or with one that was killed, a cell shows the picture alone", async () => {
  expect((await notebook()).html.includes("<iframe")).toBe(false);
  const gone = { url: "http://127.0.0.1:9/?token=gone", pid: process.pid, host: hostname() };
  writeFileSync(announcement, JSON.stringify(gone), { mode: 0o600 });
  expect((await notebook()).html.includes("<iframe")).toBe(false);
  rmSync(announcement);
});

test("an announcement that others may have written, or of another machine, is not followed", async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.host);
    response.setHeader("Content-Type", "application/json").end('{"key":"any"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const announce = (url: string, mode: number): void => {
    rmSync(announcement, { force: true });
    writeFileSync(announcement, JSON.stringify({ url, pid: process.pid, host: hostname() }), { mode });
    chmodSync(announcement, mode);
  };
  try {
    announce(`http://127.0.0.1:${port}/?token=t`, 0o644);
    expect(await profilerView(runs, ["one"])).toBeUndefined();
    // Names that lead to this machine only by what a resolver says of them.
    for (const host of ["10.1.2.3", "profiler.example", "127.0.0.1.example", "127.0.0.1@profiler.example"]) {
      announce(`http://${host}:${port}/?token=t`, 0o600);
      expect(await profilerView(runs, ["one"])).toBeUndefined();
    }
    expect(asked).toEqual([]);
    announce(`http://127.0.0.1:${port}/?token=t`, 0o600);
    expect((await profilerView(runs, ["one"]))?.("/frame/one")).toContain("view=any");
  } finally {
    rmSync(announcement);
    server.closeAllConnections();
    server.close();
  }
});

test("pages of an origin that is not named get no frame", async () => {
  const profiler = await serve("--frame-origin", "https://hub.example");
  const { html } = await notebook();
  await asNotebookServer(html, async (page) => {
    const refused = page.waitForEvent("console", (message) => message.text().includes("frame-ancestors"));
    await page.locator("summary").click();
    expect((await refused).type()).toBe("error");
    expect(await page.frameLocator("iframe").locator("canvas").count()).toBe(0);
  });
  await profiler.end();
  expect(await cli(["serve", runs, "--frame-origin", "everywhere"])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('like https://hub.example or http://localhost:*, got "everywhere"') as string,
  });
});
