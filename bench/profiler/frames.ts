/**
 * How fast the profiler's page is with a million events on eight ranks, in Chromium without a GPU: time until the
 * timeline shows the whole run, until all events are there, frame times while zooming and panning, memory.
 *
 * The run is synthetic and lies on disk, served by `stateline serve` in a process of its own, which reads it when the
 * page is opened. A frame is the time between two animation callbacks of the page while real wheel and pointer input
 * arrives.
 *
 *     node bench/profiler/run.mjs [--json] [--events 10000000] [--rounds 3] [--beside ANOTHER-CHECKOUT]
 *
 * Of several rounds the medians are given. Another checkout, built, is measured by turns with this one.
 */

import { parseArgs } from "node:util";
import type { CDPSession, Page } from "playwright-core";
import { formatBytes, formatCount } from "../../profiler-ui/trace/format";
import { median, quantile } from "../../profiler-ui/trace/quantiles";
import { launchChromium } from "../../test/support/chromium";
import { peakOf, serve, storedRuns } from "./served-runs";

interface FrameFigures {
  readonly events: number;
  /** Milliseconds from the page's request to the first timeline with spans on it; the server reads the run in that time. */
  readonly firstPaintMs: number;
  /** Until every event is on the page. */
  readonly allEventsMs: number;
  readonly frames: { readonly count: number; readonly p50Ms: number; readonly p95Ms: number; readonly maxMs: number };
  /** Script time of drawing one frame. */
  readonly draw: { readonly p50Ms: number; readonly p95Ms: number };
  readonly pageBytes: number;
  /** The most that the server's process held; NaN where the system does not say. */
  readonly serverBytes: number;
}

async function measureFrames(checkout: string, events: number): Promise<FrameFigures> {
  const server = await serve(checkout, await storedRuns(events, [{ id: "large" }]));
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
    const cdp = await page.context().newCDPSession(page);
    await page.addInitScript(markFirstSpans);
    const url = new URL(server.url);
    url.pathname = "/runs/large";
    await page.goto(url.href);
    await page.waitForSelector("[data-loaded]", { timeout: 600_000 });
    const { firstPaintMs, allEventsMs } = await page.evaluate(() => ({
      firstPaintMs: performance.getEntriesByName("first-spans")[0]?.startTime ?? NaN,
      allEventsMs: performance.now(),
    }));
    const { frames, draws } = await moveAround(page);
    return {
      events,
      firstPaintMs,
      allEventsMs,
      frames: {
        count: frames.length,
        p50Ms: quantile(frames, 0.5),
        p95Ms: quantile(frames, 0.95),
        maxMs: frames.at(-1) ?? NaN,
      },
      draw: { p50Ms: quantile(draws, 0.5), p95Ms: quantile(draws, 0.95) },
      pageBytes: await heapOf(cdp),
      serverBytes: peakOf(server.process),
    };
  } finally {
    await browser.close();
    server.process.kill();
  }
}

/** Runs in the page: marks when the timeline's canvas shows something in the colours of ops, seen on one line of pixels. */
function markFirstSpans(): void {
  const hasSpans = (canvas: HTMLCanvasElement | null): boolean => {
    if (!canvas || canvas.width < 400) return false;
    const { data } = canvas.getContext("2d")?.getImageData(150, 78, canvas.width - 200, 1) ?? { data: [] };
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = [data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0];
      if (Math.max(r, g, b) - Math.min(r, g, b) > 60) return true;
    }
    return false;
  };
  const look = (): void => {
    if (hasSpans(document.querySelector(".timeline canvas"))) performance.mark("first-spans");
    else setTimeout(look, 10);
  };
  look();
}

/** Zooms in and out and pans for some seconds by real input; resolves to ascending times in milliseconds. */
async function moveAround(page: Page): Promise<{ frames: Float64Array; draws: Float64Array }> {
  const box = await page.locator(".timeline canvas").first().boundingBox();
  if (!box) throw new Error("The page has no timeline.");
  await page.evaluate(() => {
    const times = { frames: [] as number[], draws: [] as number[], on: true };
    Object.assign(globalThis, { frameTimes: times });
    let last = performance.now();
    const tick = (): void => {
      const now = performance.now();
      times.frames.push(now - last);
      last = now;
      if (times.on) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    // A frame's own script: what runs between its first callback and the end of the callbacks.
    const original = globalThis.requestAnimationFrame;
    globalThis.requestAnimationFrame = (callback) =>
      original((now) => {
        const begin = performance.now();
        callback(now);
        if (callback !== tick) times.draws.push(performance.now() - begin);
      });
  });
  await page.mouse.move(box.x + 700, box.y + 100);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 25; i++) await page.mouse.wheel(0, -120);
    await page.mouse.down();
    for (let i = 0; i < 40; i++) await page.mouse.move(box.x + 700 - 8 * i, box.y + 100);
    await page.mouse.up();
    await page.mouse.move(box.x + 700, box.y + 100);
    for (let i = 0; i < 25; i++) await page.mouse.wheel(0, 120);
  }
  const times = await page.evaluate(() => {
    const { frameTimes } = globalThis as unknown as { frameTimes: { frames: number[]; draws: number[]; on: boolean } };
    frameTimes.on = false;
    return frameTimes;
  });
  return { frames: Float64Array.from(times.frames).sort(), draws: Float64Array.from(times.draws).sort() };
}

/** Bytes of the page's scripts and their typed arrays, after a collection. */
async function heapOf(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize = 0 } = (await cdp.send("Runtime.getHeapUsage")) as {
    usedSize: number;
    backingStorageSize?: number;
  };
  return usedSize + backingStorageSize;
}

function describeFrames({
  events,
  firstPaintMs,
  allEventsMs,
  frames,
  draw,
  pageBytes,
  serverBytes,
}: FrameFigures): string {
  const ms = (value: number): string => `${value.toFixed(value < 100 ? 1 : 0)} ms`;
  return [
    `${formatCount(events)} events, 8 ranks, Chromium headless without a GPU`,
    `first paint of the whole run   ${ms(firstPaintMs)}`,
    `all events on the page         ${ms(allEventsMs)}`,
    `frames while zooming, panning  p50 ${ms(frames.p50Ms)}, p95 ${ms(frames.p95Ms)}, longest ${ms(frames.maxMs)} (${frames.count} frames)`,
    `drawing one frame              p50 ${ms(draw.p50Ms)}, p95 ${ms(draw.p95Ms)}`,
    `memory                         page ${formatBytes(pageBytes)}, server at most ${formatBytes(serverBytes)}`,
  ].join("\n");
}

/** The median of every figure. */
function medians(rounds: readonly FrameFigures[]): FrameFigures {
  const of = (pick: (figures: FrameFigures) => number): number => median(rounds.map(pick));
  return {
    events: of(({ events }) => events),
    firstPaintMs: of(({ firstPaintMs }) => firstPaintMs),
    allEventsMs: of(({ allEventsMs }) => allEventsMs),
    frames: {
      count: of(({ frames }) => frames.count),
      p50Ms: of(({ frames }) => frames.p50Ms),
      p95Ms: of(({ frames }) => frames.p95Ms),
      maxMs: of(({ frames }) => frames.maxMs),
    },
    draw: { p50Ms: of(({ draw }) => draw.p50Ms), p95Ms: of(({ draw }) => draw.p95Ms) },
    pageBytes: of(({ pageBytes }) => pageBytes),
    serverBytes: of(({ serverBytes }) => serverBytes),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      events: { type: "string", default: "1000000" },
      rounds: { type: "string", default: "1" },
      beside: { type: "string" },
    },
  });
  const checkouts = values.beside === undefined ? ["."] : [".", values.beside];
  const measured = new Map<string, FrameFigures[]>(checkouts.map((checkout) => [checkout, []]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [checkout, rounds] of measured) rounds.push(await measureFrames(checkout, Number(values.events)));
  for (const [checkout, rounds] of measured) {
    const figures = medians(rounds);
    const text = values.json ? JSON.stringify({ checkout, ...figures }) : describeFrames(figures);
    process.stdout.write(checkouts.length > 1 && !values.json ? `${checkout}\n${text}\n\n` : `${text}\n`);
  }
}

void main();
