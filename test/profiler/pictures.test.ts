import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { kindIndex, KINDS } from "../../profiler-ui/trace/kinds";
import { channels, KIND_COLOURS, wirePattern } from "../../profiler-ui/trace/palette";
import { laneViews } from "../../profiler-ui/trace/lane-view";
import { GUTTER, HEADER, layoutLanes } from "../../profiler-ui/web/timeline/layout";
import { launchChromium } from "../support/chromium";
import { eventually } from "../support/eventually";
import { differenceFrom, keepPicture } from "./support/picture";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

const f16 = syntheticRun({ id: "f16", label: "two ranks f16", layers: 4, decodeSteps: 6 });
const int8 = syntheticRun({
  id: "int8",
  label: "two ranks int8",
  layers: 4,
  decodeSteps: 6,
  wireType: "int8",
  seed: 7,
});
const prefill = f16.events.phase.texts.indexOf("prefill");
const cells = {
  info: { ...f16.info, id: "cells" },
  events: { ...f16.events, cell: Int32Array.from(f16.events.phase.codes, (code) => (code === prefill ? 3 : 4)) },
};

let server: ProfilerServer;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  server = await startServer({ source: sourceOf([int8, f16, cells]) });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

afterEach(() => page.close());

async function open(path: string, colorScheme: "light" | "dark" = "light"): Promise<void> {
  const viewport = { width: 1200, height: 900 };
  page = await browser.newPage({ viewport, colorScheme, reducedMotion: "reduce", deviceScaleFactor: 1 });
  await page.goto(server.urlOf(path));
  await page.waitForSelector("[data-loaded]");
}

/** Colours of the timeline's pixels at these places, read from a copy. */
function pixelsAt(places: readonly (readonly [x: number, y: number])[]): Promise<number[][]> {
  return page
    .locator(".timeline canvas")
    .first()
    .evaluate(async (canvas, points) => {
      // Two frames: what was asked for before is drawn.
      for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame);
      const { width, height } = canvas as HTMLCanvasElement;
      const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      copy?.drawImage(canvas as HTMLCanvasElement, 0, 0);
      return points.map(([x, y]) => [...(copy?.getImageData(x, y, 1, 1).data ?? [])].slice(0, 3));
    }, places);
}

test("every span that is wide enough is drawn where and in the colour that its time and kind say, and gaps are empty", async () => {
  await open("/runs/f16");
  const canvas = await page.locator(".timeline canvas").first().boundingBox();
  const columns = Math.floor((canvas?.width ?? 0) - GUTTER);
  const origin = Math.min(...f16.events.startNs);
  const perNs = columns / f16.info.durationNs;
  const spans: { readonly at: readonly [number, number]; readonly colour: number[] }[] = [];
  const gaps: (readonly [number, number])[] = [];
  const { events } = f16;
  for (const { lane, depth, y, height } of layoutLanes(laneViews(events)).bands) {
    const row = lane.rows[depth]?.row;
    if (lane.stream === 2 || depth > 0 || !row) continue;
    // Below the text, above the row's edge.
    const level = HEADER + y + height - 3;
    let before = 0;
    for (const [k, index] of row.index.entries()) {
      const left = ((row.start[k] ?? 0) - origin) * perNs;
      const right = ((row.end[k] ?? 0) - origin) * perNs;
      if (left - before >= 6) gaps.push([Math.round(GUTTER + (before + left) / 2), level]);
      before = right;
      const wire = events.wireType.texts[events.wireType.codes[index] ?? 0] ?? "";
      if (right - left < 6 || wirePattern(wire) !== "none") continue;
      const kind = KINDS[kindIndex(events.kind.texts[events.kind.codes[index] ?? 0] ?? "")] ?? "host";
      const colour = channels(KIND_COLOURS[kind]).slice();
      spans.push({ at: [Math.round(GUTTER + (left + right) / 2), level], colour });
    }
  }
  expect(Math.min(spans.length, gaps.length)).toBeGreaterThan(15);
  expect(await pixelsAt(spans.map(({ at }) => at))).toEqual(spans.map(({ colour }) => colour));
  for (const colour of await pixelsAt(gaps)) expect(Math.max(...colour) - Math.min(...colour)).toBeLessThan(12);
});

test("phases are named with the notebook cells that they ran in, steps with their numbers", async () => {
  page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  await page.addInitScript(() => {
    const drawn = new Set<string>();
    Object.assign(globalThis, { drawn });
    // Whatever the page draws is drawn; what it writes is also noted.
    const prototype = CanvasRenderingContext2D.prototype;
    const write = Object.getOwnPropertyDescriptor(prototype, "fillText")?.value as (...given: unknown[]) => void;
    prototype.fillText = function (this: CanvasRenderingContext2D, ...given) {
      drawn.add(given[0]);
      write.apply(this, given);
    };
  });
  await page.goto(server.urlOf("/runs/cells"));
  await page.waitForSelector("[data-loaded]");
  const texts = (): Promise<string[]> =>
    page.evaluate(() => [...(globalThis as unknown as { drawn: Set<string> }).drawn]);
  await eventually(async () =>
    expect(await texts()).toEqual(
      expect.arrayContaining(["prefill · cell 3", "decode · cell 4", "0", "6", "compute", "comm"]),
    ),
  );
});

/** Text in another font moves fewer pixels than this; another run moves many more. */
const TOLERANCE = 0.04;

describe("the timeline looks as it did", () => {
  const keptAs = (name: string): string => join(__dirname, "../fixtures/profiler", `${name}.png`);
  const span = (): string => {
    const { events } = int8;
    const name = events.name.texts.indexOf("all_reduce.out_proj");
    const first = events.name.codes.findIndex((code, i) => code === name && events.rank[i] === 0);
    return `0.0.1.0.${(events.startNs[first] ?? 0) - Math.min(...events.startNs)}`;
  };

  test.each([
    ["whole, in light", "light", "/runs/int8", (): string => "", ".timeline"],
    [
      "with a selected AllReduce, in dark",
      "dark",
      "/runs/int8",
      (): string => `#from=0&to=600000&span=${span()}`,
      ".timeline",
    ],
    ["of two runs", "light", "/compare?a=f16&b=int8", (): string => "", ".timeline >> nth=1"],
  ] as const)("%s", async (name, theme, path, hash, part) => {
    await open(`${path}${hash()}`, theme);
    const picture = page.locator(part).first();
    await picture.scrollIntoViewIfNeeded();
    const kept = keptAs(name.replace(/\W+/g, "-"));
    if (process.env["UPDATE_PICTURES"]) await keepPicture(browser, kept, await picture.screenshot());
    await eventually(async () =>
      expect(await differenceFrom(browser, kept, await picture.screenshot())).toBeLessThan(TOLERANCE),
    );
  });

  test("and what looks otherwise is noticed", async () => {
    await open("/runs/f16");
    const screenshot = await page.locator(".timeline").first().screenshot();
    expect(await differenceFrom(browser, keptAs("whole-in-light"), screenshot)).toBeGreaterThan(2 * TOLERANCE);
  });
});
