import type { Browser, Page } from "playwright-core";
import { LoadedRun } from "../../profiler-ui/server/loaded-run";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { formatCount, formatTime } from "../../profiler-ui/trace/format";
import { findHits } from "../../profiler-ui/trace/hits";
import { laneViews, sameLane, type LaneView } from "../../profiler-ui/trace/lane-view";
import { layered } from "../../profiler-ui/trace/layers";
import { visitVisible } from "../../profiler-ui/trace/level-of-detail";
import { lanesOfMarks, marksIn } from "../../profiler-ui/trace/marks";
import { opsInView } from "../../profiler-ui/trace/ops-in-view";
import { parseQuery } from "../../profiler-ui/trace/search";
import { decodeMarks, encodeMarks } from "../../profiler-ui/trace/wire-format";
import { launchChromium } from "../support/chromium";
import { eventually } from "../support/eventually";
import { sourceOf } from "./support/source";
import { randomFrom, syntheticLargeRun } from "./support/synthetic-run";

const run = syntheticLargeRun(60_000, { id: "long", label: "a long run" });
const lanes = laneViews(run.events);
const length = Math.max(...lanes.flatMap(({ rows }) => rows.map(({ row }) => row.end.at(-1) ?? 0)));

/**
 * What is drawn of each row of a window: which span, for how many, from where to where, how densely. At the edges a bucket
 * may hold spans that lie outside.
 */
function drawn(of: readonly LaneView[], from: number, to: number, bucket: number): unknown[] {
  return lanes.map((lane) => {
    const shown = of.find((candidate) => sameLane(candidate, lane));
    return lane.rows.map((_, depth) => {
      const marks: unknown[] = [];
      const forest = shown?.rows[depth];
      if (!shown || !forest) return marks;
      visitVisible(forest, from, to, bucket, (position, count, start, end, cover) => {
        if (start < from + bucket || end > to - bucket) return;
        const i = forest.row.index[position] ?? 0;
        const { events } = shown;
        const name = events.name.texts[events.name.codes[i] ?? 0];
        marks.push([name, events.startNs[i], events.durNs[i], count, start, end, Math.round(100 * cover)]);
      });
      return marks;
    });
  });
}

function travelled(marks: ReturnType<typeof marksIn>): LaneView[] {
  return marks ? lanesOfMarks(decodeMarks(encodeMarks(marks).buffer)) : [];
}

describe("a window of a run", () => {
  const rough = travelled(marksIn(lanes, { from: 0, to: length, bucket: length / 1024 }, 0));

  test("is drawn by its marks as by all spans, at any zoom, wherever the page pans in it", () => {
    const random = randomFrom(11);
    for (let round = 0; round < 12; round++) {
      const wide = length * 2 ** (-16 * random());
      const from = random() * (length - wide);
      const bucket = 2 ** Math.ceil(Math.log2(wide / 800));
      const grain = { from: from - wide / 2, to: from + 1.5 * wide, bucket };
      const page = layered(rough, travelled(marksIn(lanes, grain, 0)), grain.from, grain.to);
      for (const shift of [0, -0.4, 0.4]) {
        const [left, right] = [from + shift * wide, from + (1 + shift) * wide];
        expect(drawn(page, left, right, bucket)).toEqual(drawn(lanes, left, right, bucket));
      }
    }
  });

  test("leaves the rest of the run as it was known", () => {
    const [from, to] = [0.4 * length, 0.41 * length];
    const page = layered(rough, travelled(marksIn(lanes, { from, to, bucket: 64 }, 0)), from, to);
    const bucket = 2 ** Math.ceil(Math.log2(length / 1024));
    const outside = (of: readonly LaneView[]): unknown[] => [
      drawn(of, 0, from - 2 * bucket, bucket),
      drawn(of, to + 2 * bucket, length, bucket),
    ];
    expect(outside(page)).toEqual(outside(rough));
  });

  test("counts time from the run's first span, however late that began", () => {
    const late = 123_456_789;
    const moved = new LoadedRun(
      run.info,
      { ...run.events, startNs: run.events.startNs.map((start) => start + late) },
      0,
    );
    const look = { kind: "marks", aligned: false, from: 5e6, to: 7e6, bucket: 4096, find: "" } as const;
    const here = new LoadedRun(run.info, run.events, 0);
    const same = (a: unknown, b: unknown): boolean => Buffer.compare(a as Uint8Array, b as Uint8Array) === 0;
    expect(same(moved.look(look), here.look(look))).toBe(true);
    expect(same(moved.overview, here.overview)).toBe(true);
    expect(moved.lanes.map(({ tiles }) => tiles)).toEqual(lanes.map(() => 0));
  });
});

describe("the page of a run that is too long for it", () => {
  let server: ProfilerServer;
  let browser: Browser;
  let page: Page;
  let asked: string[];

  beforeAll(async () => {
    server = await startServer({ source: sourceOf([run]), pageEvents: 1000 });
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
    asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    page.on("pageerror", (error) => asked.push(error.message));
  });

  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test("shows, finds, counts and walks as in a short one, without ever having all events", async () => {
    await page.goto(server.urlOf("/runs/long"));
    await page.waitForSelector("[data-loaded]");
    const canvas = page.locator(".timeline canvas").first();

    await page.keyboard.press("/");
    await page.keyboard.type("out_proj wire:int8 rank:3");
    const hits = findHits(lanes, parseQuery("out_proj wire:int8 rank:3"));
    const found = `${formatCount(hits?.count ?? 0)} · ${formatTime(hits?.ns ?? 0)}`;
    await eventually(async () => expect(await page.locator(".hits").innerText()).toBe(found));
    await page.keyboard.press("Enter");
    await page.keyboard.press("Enter");
    await eventually(async () => expect(await page.locator(".hits").innerText()).toBe(`2 of ${found}`));

    // The collective that was found stands on every rank; its neighbour is the next span of the row.
    await eventually(async () => expect(await page.locator(".details tbody tr").count()).toBe(8));
    await canvas.focus();
    await page.keyboard.press("f");
    const heading = page.locator(".details h3");
    const lane = lanes.find(({ rank, stream }) => rank === 3 && stream === 1);
    const second = hits?.lanes.find(({ rank, stream }) => rank === 3 && stream === 1)?.rows[0]?.row.index[1] ?? 0;
    const next = lane?.rows[0]?.row.index[(lane.rows[0]?.row.index.indexOf(second) ?? 0) + 1] ?? 0;
    await page.keyboard.press("ArrowRight");
    const { name } = run.events;
    await eventually(async () => expect(await heading.innerText()).toBe(name.texts[name.codes[next] ?? 0]));
    const [, , , start] = /span=0\.(\d+)\.(\d+)\.(\d+)\.(\d+)/.exec(page.url())?.slice(1).map(Number) ?? [];
    expect(start).toBe(run.events.startNs[next]);

    // An area over what is seen adds up its spans, all of them.
    await page.keyboard.press("Escape");
    await page.keyboard.press("m");
    await page.waitForURL(/area=/);
    const [from = 0, to = 0] = /area=0\.(\d+)\.(\d+)\./.exec(page.url())?.slice(1).map(Number) ?? [];
    const spans = opsInView(lanes, from, to).reduce((sum, { count }) => sum + count, 0);
    await eventually(async () =>
      expect(await page.locator(".details caption").innerText()).toContain(`${formatCount(spans)} spans`),
    );

    expect(asked.filter((path) => /lanes\/\d/.test(path))).toEqual([]);
    expect(asked.filter((path) => path.endsWith("/look")).length).toBeGreaterThan(5);
    expect(asked.every((path) => path.startsWith("/"))).toBe(true);
  });
});
