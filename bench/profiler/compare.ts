/**
 * How the page of two long runs behaves, in Chromium without a GPU: time until both are drawn, until their numbers are
 * there, how long page and server were deaf meanwhile, memory.
 *
 *     node bench/profiler/run.mjs compare [--json] [--events 10000000] [--pictures FOLDER]
 */

import { parseArgs } from "node:util";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { formatBytes, formatCount } from "../../profiler-ui/trace/format";
import { launchChromium } from "../../test/support/chromium";
import { peakOf, serve, storedRuns } from "./served-runs";

interface CompareFigures {
  readonly events: number;
  /** Milliseconds from the page's request to spans of both runs on the page. */
  readonly firstPaintMs: number;
  /** Until both timelines are drawn from all spans. */
  readonly timelinesMs: number;
  /** Until verdict and tables are there. */
  readonly numbersMs: number;
  /** Longest task of the page's thread. */
  readonly pageDeafMs: number;
  /** Longest answer of the server to a question that needs no run. */
  readonly serverDeafMs: number;
  readonly serverBytes: number;
}

async function measureCompare(events: number, pictures: string | undefined): Promise<CompareFigures> {
  const folder = await storedRuns(events, [
    { id: "f16", label: "f16", wireType: "f16", seed: 1 },
    { id: "int8", label: "int8", wireType: "int8", seed: 2 },
  ]);
  const server = await serve(".", folder);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    await page.addInitScript(watchPage);
    const url = new URL(server.url);
    const token = url.searchParams.get("token") ?? "";
    const watch = watchServer(url, token);
    url.pathname = "/compare";
    url.searchParams.set("a", "f16");
    url.searchParams.set("b", "int8");
    await page.goto(url.href);
    const end = pictures === undefined ? () => undefined : takePictures(page, pictures);
    await page.waitForSelector(".pane[data-loaded]", { timeout: 600_000 });
    await page.waitForSelector(".verdict", { timeout: 600_000 });
    await end();
    const seen = await page.evaluate(() => {
      const at = (name: string): number => performance.getEntriesByName(name)[0]?.startTime ?? NaN;
      const { longest } = globalThis as unknown as { longest: number };
      return { firstPaintMs: at("spans"), timelinesMs: at("timelines"), numbersMs: at("numbers"), pageDeafMs: longest };
    });
    return { events, ...seen, serverDeafMs: await watch(), serverBytes: peakOf(server.process) };
  } finally {
    await browser.close();
    server.process.kill();
  }
}

/** Runs in the page: marks when what is waited for is there. */
function watchPage(): void {
  const watched = globalThis as unknown as { longest: number };
  watched.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) watched.longest = Math.max(watched.longest, duration);
  }).observe({ type: "longtask", buffered: true });
  const hasSpans = (canvas: HTMLCanvasElement): boolean => {
    if (canvas.width < 400) return false;
    const { data } = canvas.getContext("2d")?.getImageData(150, 78, canvas.width - 200, 1) ?? { data: [] };
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = [data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0];
      if (Math.max(r, g, b) - Math.min(r, g, b) > 60) return true;
    }
    return false;
  };
  const there: Readonly<Record<string, () => boolean>> = {
    spans: () => {
      const canvases = [...document.querySelectorAll<HTMLCanvasElement>(".timeline canvas:not(.overlay)")];
      return canvases.length === 2 && canvases.every(hasSpans);
    },
    timelines: () => document.querySelector(".pane[data-loaded]") !== null,
    numbers: () => document.querySelector(".verdict") !== null,
  };
  const missing = new Set(Object.keys(there));
  const look = (): void => {
    for (const name of missing)
      if (there[name]?.() === true) {
        performance.mark(name);
        missing.delete(name);
      }
    if (missing.size > 0) setTimeout(look, 50);
  };
  look();
}

/** Asks for the list of runs again and again; gives what ends that and says the longest answer in milliseconds. */
function watchServer({ origin }: URL, token: string): () => Promise<number> {
  let on = true;
  const asked = (async () => {
    let longest = 0;
    while (on) {
      const begin = performance.now();
      await (await fetch(`${origin}/api/runs`, { headers: { authorization: `Bearer ${token}` } })).arrayBuffer();
      longest = Math.max(longest, performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return longest;
  })();
  return () => {
    on = false;
    return asked;
  };
}

/** A picture of the page a second; gives what takes the last one. */
function takePictures(page: Page, folder: string): () => Promise<void> {
  let number = 0;
  const take = async (): Promise<void> => {
    number++;
    await page.screenshot({ path: join(folder, `compare-${String(number).padStart(2, "0")}.png`), fullPage: true });
  };
  let last = Promise.resolve();
  const timer = setInterval(() => {
    last = last.then(take);
  }, 1000);
  return () => {
    clearInterval(timer);
    return last.then(take);
  };
}

function describe(figures: CompareFigures): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  return [
    `two runs of ${formatCount(figures.events)} events, 8 ranks, Chromium headless without a GPU`,
    `both drawn roughly             ${seconds(figures.firstPaintMs)}`,
    `both drawn from all spans      ${seconds(figures.timelinesMs)}`,
    `verdict and tables             ${seconds(figures.numbersMs)}`,
    `deaf at most                   page ${ms(figures.pageDeafMs)}, server ${ms(figures.serverDeafMs)}`,
    `memory                         server at most ${formatBytes(figures.serverBytes)}`,
  ].join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      events: { type: "string", default: "10000000" },
      pictures: { type: "string" },
    },
  });
  const figures = await measureCompare(Number(values.events), values.pictures);
  process.stdout.write(`${values.json ? JSON.stringify(figures) : describe(figures)}\n`);
}

void main();
