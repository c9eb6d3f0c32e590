import { readFileSync } from "node:fs";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { analyse } from "../../profiler-ui/trace/analysis";
import { reportCollectives } from "../../profiler-ui/trace/collective-table";
import { compareRuns } from "../../profiler-ui/trace/compare";
import { formatBytes, formatRate, formatShare, formatTime } from "../../profiler-ui/trace/format";
import { KIND_COLOURS } from "../../profiler-ui/trace/palette";
import { kindTime, summarise } from "../../profiler-ui/trace/summary";
import { launchChromium } from "../support/chromium";
import { eventually } from "../support/eventually";
import { eventsOf } from "./support/events";
import { handRun } from "./support/hand-run";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

const f16 = syntheticRun({ id: "f16", label: "two ranks f16" });
const int8 = syntheticRun({ id: "int8", label: "two ranks int8", wireType: "int8", decodeSteps: 20, seed: 7 });
const eight = syntheticRun({ id: "eight", label: "eight ranks", ranks: 8, layers: 2, decodeSteps: 4, seed: 5 });
const hostile = syntheticRun({
  id: "hostile",
  label: "</script><img src=x onerror=alert(1)>",
  layers: 1,
  decodeSteps: 1,
});

/** STATELINE_PAGE_EVENTS=1: as if the runs were too long for the page to hold. */
const pageEvents = Number(process.env["STATELINE_PAGE_EVENTS"] ?? 1e6);

let server: ProfilerServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
/** What the browser complained of: script errors, refused resources, content-security violations. */
let complaints: string[];

beforeAll(async () => {
  server = await startServer({ source: sourceOf([int8, f16, eight, hostile]), pageEvents });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

beforeEach(async () => {
  context = await browser.newContext({
    viewport: { width: 1400, height: 1000 },
    colorScheme: "light",
    reducedMotion: "reduce",
    hasTouch: true,
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  page = await context.newPage();
  complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
});

afterEach(async () => {
  await context.close();
  await Promise.all(others.splice(0).map((other) => other.close()));
  expect(complaints).toEqual([]);
});

async function openRun(id: string, hash = ""): Promise<Locator> {
  await page.goto(`${server.urlOf(`/runs/${id}`)}${hash}`);
  await page.waitForSelector("[data-loaded]");
  const canvas = page.locator(".timeline canvas").first();
  await canvas.scrollIntoViewIfNeeded();
  return canvas;
}

/** The window that the toolbar names, as its width's text. */
async function rangeOf(): Promise<string> {
  await page.waitForTimeout(60);
  return page.locator(".range").innerText();
}

async function boxOf(canvas: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await canvas.boundingBox();
  if (!box) throw new Error("no timeline");
  return box;
}

/** A server with other runs, closed after the test whatever came of it. */
const others: ProfilerServer[] = [];

async function serve(runs: Parameters<typeof sourceOf>[0]): Promise<ProfilerServer> {
  const other = await startServer({ source: sourceOf(runs), pageEvents });
  others.push(other);
  return other;
}

/** Colours of a part of the canvas, each once, read from a copy: reading the canvas itself would move it off the fast path. */
function coloursOf(canvas: Locator, x: number, y: number, width: number, height: number): Promise<number[]> {
  return canvas.evaluate(
    (element, [left = 0, top = 0, w = 1, h = 1]) => {
      const copy = new OffscreenCanvas(w, h).getContext("2d", { willReadFrequently: true });
      copy?.drawImage(element as HTMLCanvasElement, -left, -top);
      return [...new Set(new Uint32Array(copy?.getImageData(0, 0, w, h).data.buffer ?? new ArrayBuffer(0)))];
    },
    [x, y, width, height],
  );
}

/** The longest span of an op on a rank. */
function longestOf({ events }: typeof f16, name: string, rank: number): number {
  let best = -1;
  for (let i = 0; i < events.count; i++) {
    if (events.name.texts[events.name.codes[i] ?? 0] !== name || events.rank[i] !== rank) continue;
    if (best < 0 || (events.durNs[i] ?? 0) > (events.durNs[best] ?? 0)) best = i;
  }
  return best;
}

/** What runs inside the longest span of an op, on its stream, by name. */
function stepsOf(run: typeof f16, name: string, rank: number): Map<string, number> {
  const { events } = run;
  const outer = longestOf(run, name, rank);
  const endOf = (i: number): number => (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0);
  const steps = new Map<string, number>();
  for (let i = 0; i < events.count; i++) {
    const inside = (events.startNs[i] ?? 0) >= (events.startNs[outer] ?? 0) && endOf(i) <= endOf(outer);
    if (i === outer || !inside || events.rank[i] !== rank || events.stream[i] !== events.stream[outer]) continue;
    const step = events.name.texts[events.name.codes[i] ?? 0] ?? "";
    steps.set(step, (steps.get(step) ?? 0) + (events.durNs[i] ?? 0));
  }
  return steps;
}

/** Where the middle of a span of the run is drawn when the whole run is shown, as a share of the lanes' width. */
function fractionOf(run: typeof f16, name: string, rank: number): number {
  const { events } = run;
  const best = longestOf(run, name, rank);
  return ((events.startNs[best] ?? 0) + (events.durNs[best] ?? 0) / 2) / run.info.durationNs;
}

const GUTTER = 116;
/** Middle of rank 0's compute lane: under the header and the thin lane of steps. */
const COMPUTE = 50 + 8 + 7 + 3 + 10;
const COMM = COMPUTE + 20 + 3;

describe("the list of runs", () => {
  test("names every run and opens one", async () => {
    await page.goto(server.url);
    await page.getByRole("link", { name: "two ranks int8" }).click();
    await page.waitForURL(/\/runs\/int8$/);
    await page.waitForSelector("[data-loaded]");
    await eventually(async () =>
      expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("two ranks int8"),
    );
  });

  test("drops the token from the address and goes on without it", async () => {
    await page.goto(server.url);
    await page.waitForSelector("table");
    expect(page.url()).toBe(`http://127.0.0.1:${server.port}/`);
    await page.reload();
    await page.waitForSelector("table");
  });

  test("finds runs by their words, says when none matches, and sorts by a column", async () => {
    await page.goto(server.url);
    await page.getByRole("searchbox").fill("int8 two");
    await eventually(async () => expect(await page.locator("tbody tr").count()).toBe(1));
    await page.getByRole("searchbox").fill("nothing like it");
    await eventually(async () => expect(await page.getByText("No run matches").isVisible()).toBe(true));
    await page.getByRole("searchbox").fill("two");
    await page.getByRole("button", { name: "spans" }).click();
    await eventually(async () =>
      expect(await page.locator("tbody th").allInnerTexts()).toEqual(["two ranks int8", "two ranks f16"]),
    );
    await page.getByRole("button", { name: "spans" }).click();
    await eventually(async () =>
      expect(await page.locator("tbody th").allInnerTexts()).toEqual(["two ranks f16", "two ranks int8"]),
    );
  });

  test("puts two chosen runs side by side", async () => {
    await page.goto(server.url);
    await page.getByRole("checkbox", { name: /two ranks f16/ }).check();
    await page.getByRole("checkbox", { name: /two ranks int8/ }).check();
    await page.getByRole("button", { name: "Compare two runs" }).click();
    await page.waitForURL(/\/compare\?a=f16&b=int8$/);
    await page.waitForSelector("[data-loaded]");
  });

  test("shows markup in a run's label as text, as its page does", async () => {
    const { label } = hostile.info;
    await page.goto(server.url);
    await page.getByRole("link", { name: label }).click();
    await page.waitForSelector("[data-loaded]");
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe(label);
    expect(await page.locator("img").count()).toBe(1);
  });

  test("tells how to record the first run when there is none", async () => {
    const empty = await serve([]);
    await page.goto(empty.url);
    await eventually(async () =>
      expect(await page.getByRole("heading", { name: "No runs yet" }).isVisible()).toBe(true),
    );
  });
});

describe("the list of runs with names as long as people make them", () => {
  test.each([1400, 1024])("keeps deleting in sight in a window of %i", async (width) => {
    const label = "mamba-2.8b --tp 8 --all-reduce int8 --quantisation-group 128 ".repeat(4);
    const other = await serve([{ ...f16, info: { ...f16.info, label } }, int8]);
    await page.setViewportSize({ width, height: 800 });
    await page.goto(other.url);
    await page.waitForSelector("table");
    for (const button of await page.getByRole("button", { name: /^Delete / }).all()) {
      const { x, width: wide } = await boxOf(button);
      expect(x + wide).toBeLessThan(width);
    }
    await page.getByRole("button", { name: "Delete two ranks int8" }).click({ trial: true });
  });
});

describe("the page of a run", () => {
  test("of which nothing was recorded says so and adds nothing up", async () => {
    const other = await serve([{ info: { ...f16.info, id: "empty", events: 0, durationNs: 0 }, events: eventsOf([]) }]);
    await page.goto(other.urlOf("/runs/empty"));
    await page.getByText("This run has no spans.").waitFor();
    await eventually(async () => expect(await page.getByText("Adding up…").count()).toBe(0));
    expect(await page.locator("table, .stats").count()).toBe(0);
  });

  test("leads to a comparison with a run of the same model and another wire", async () => {
    await openRun("int8");
    await page.getByRole("link", { name: "Compare" }).click();
    await page.waitForURL(/compare\?b=int8$/);
    const chosen = page.getByRole("combobox");
    await eventually(async () => expect(await chosen.nth(0).inputValue()).toBe("f16"));
    expect(await chosen.nth(1).inputValue()).toBe("int8");
    await page.getByRole("button", { name: "Compare" }).click();
    await page.waitForURL(/\?a=f16&b=int8$/);
    await page.waitForSelector("[data-loaded]");
  });

  test("shows each rank's share of step time as summarise counts it", async () => {
    await openRun("int8");
    const { ranks, wireBytes } = summarise(int8.events);
    const table = page.getByRole("region", { name: "Share of each rank's step time by kind of op" });
    for (const rank of ranks) {
      const row = table.locator("tbody tr").nth(rank.rank);
      const cells = await row.locator("td").allInnerTexts();
      expect(cells).toContain(formatShare(kindTime(rank, "scan").share));
      expect(cells).toContain(formatShare(kindTime(rank, "gemm").share));
      expect(cells).toContain(formatShare(kindTime(rank, "collective").share));
      expect(cells).toContain(formatShare(rank.idleShare));
      expect(cells).toContain(formatTime(rank.stepNs));
    }
    await eventually(async () => expect(await page.locator(".stats").innerText()).toContain(formatBytes(wireBytes)));
  });

  test("lists every op with its total", async () => {
    await openRun("int8");
    const { ops } = summarise(int8.events);
    const rows = page.getByRole("region", { name: "Ops of all ranks together" }).locator("tbody tr");
    await eventually(async () => expect(await rows.count()).toBe(ops.length));
    await eventually(async () => expect(await rows.first().innerText()).toContain(formatTime(ops[0]?.totalNs ?? NaN)));
  });

  test("draws the run", async () => {
    const colours = await coloursOf(await openRun("int8"), 0, 0, 1200, 200);
    expect(colours.length).toBeGreaterThan(20);
  });

  test("says that a run does not exist", async () => {
    await page.goto(server.urlOf("/runs/none"));
    await eventually(async () =>
      expect(await page.getByRole("alert").innerText()).toMatch(/There is no such run[\s\S]*E_RUN_NOT_FOUND/),
    );
    expect(complaints.splice(0)).toEqual([expect.stringContaining("404")]);
  });
});

describe("the timeline", () => {
  test("zooms by the wheel at the pointer and scrolls the page where it cannot zoom out further", async () => {
    const canvas = await openRun("f16");
    const box = await boxOf(canvas);
    const whole = await rangeOf();
    await page.mouse.move(box.x + 700, box.y + COMPUTE);
    await page.mouse.wheel(0, -300);
    const zoomed = await rangeOf();
    expect(zoomed).not.toBe(whole);
    const before = await page.evaluate(() => scrollY);
    await page.waitForTimeout(300);
    await page.mouse.wheel(0, 3000);
    await eventually(async () => expect(await rangeOf()).toBe(whole));
    await eventually(async () => expect(await page.evaluate(() => scrollY)).toBe(before));
    await page.waitForTimeout(300);
    await page.mouse.wheel(0, 200);
    await page.waitForFunction((from) => scrollY > from, before);
  });

  test("zooms by a pinch, which a touchpad sends as a wheel with Control, and leaves the page's size alone", async () => {
    const canvas = await openRun("f16");
    const box = await boxOf(canvas);
    const whole = await rangeOf();
    const ratio = await page.evaluate(() => devicePixelRatio);
    await page.mouse.move(box.x + 700, box.y + COMPUTE);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -20);
    await page.keyboard.up("Control");
    await eventually(async () => expect(await rangeOf()).not.toBe(whole));
    expect(await page.evaluate(() => devicePixelRatio)).toBe(ratio);
  });

  test("zooms by two fingers and pans by one on a screen that is touched", async () => {
    const canvas = await openRun("f16");
    const { x, y } = await boxOf(canvas);
    const touch = await context.newCDPSession(page);
    const fingers = (type: "touchStart" | "touchMove" | "touchEnd", ...at: number[]): Promise<unknown> =>
      touch.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: at.map((left, id) => ({ x: x + left, y: y + COMPUTE, id })),
      });
    const { durationNs } = f16.info;
    await fingers("touchStart", 500, 800);
    await fingers("touchMove", 350, 950);
    await fingers("touchEnd");
    // Twice as far apart: half the time, around the middle between the fingers.
    const width = (): Promise<string> => rangeOf().then((text) => /\((.*)\)/.exec(text)?.[1] ?? "");
    await eventually(async () => expect(await width()).toBe(formatTime(durationNs / 2)));
    const before = await rangeOf();
    await fingers("touchStart", 800);
    await fingers("touchMove", 700);
    await fingers("touchEnd");
    await eventually(async () => expect(await rangeOf()).not.toBe(before));
    expect(await width()).toBe(formatTime(durationNs / 2));
  });

  test("pans by dragging, by Shift and wheel, and by keys, and keeps its scale", async () => {
    const canvas = await openRun("f16");
    const box = await boxOf(canvas);
    await page.mouse.move(box.x + 700, box.y + COMPUTE);
    for (let i = 0; i < 3; i++) await page.keyboard.press("w");
    const widthOf = (range: string): string => range.slice(range.indexOf("("));
    const zoomed = await rangeOf();
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + COMPUTE, { steps: 5 });
    await page.mouse.up();
    const dragged = await rangeOf();
    await page.keyboard.down("Shift");
    await page.mouse.wheel(0, 120);
    await page.keyboard.up("Shift");
    const wheeled = await rangeOf();
    await page.keyboard.press("a");
    const keyed = await rangeOf();
    expect(new Set([zoomed, dragged, wheeled, keyed]).size).toBe(4);
    expect(new Set([zoomed, dragged, wheeled, keyed].map(widthOf)).size).toBe(1);
  });

  test("zooms by keys and fits all again", async () => {
    await openRun("f16");
    const whole = await rangeOf();
    await page.keyboard.press("w");
    await page.keyboard.press("w");
    const near = await rangeOf();
    await page.keyboard.press("s");
    const farther = await rangeOf();
    expect(new Set([whole, near, farther]).size).toBe(3);
    await page.keyboard.press("f");
    await eventually(async () => expect(await rangeOf()).toBe(whole));
  });

  test("says on hover what a span is", async () => {
    const canvas = await openRun("f16");
    const box = await boxOf(canvas);
    await page.mouse.move(
      box.x + GUTTER + fractionOf(f16, "selective_scan", 0) * (box.width - GUTTER),
      box.y + COMPUTE,
    );
    await page.waitForSelector(".card:not([hidden])");
    const card = await page.locator(".card").innerText();
    expect(card).toMatch(/^selective_scan\s+[\d.]+ µs\s+rank 0 · compute · prefill step 0 · layer \d/);
  });

  test("says what has come under a pointer that rests when the window moves", async () => {
    const canvas = await openRun("f16");
    const box = await boxOf(canvas);
    await page.mouse.move(box.x + 700, box.y + COMPUTE);
    for (let i = 0; i < 12; i++) await page.keyboard.press("w");
    await page.waitForTimeout(100);
    const before = await page.locator(".card").innerText();
    await page.keyboard.press("d");
    await page.keyboard.press("d");
    await page.waitForTimeout(100);
    await eventually(async () => expect(await page.locator(".card").innerText()).not.toBe(before));
  });

  test("opens a clicked AllReduce with its wire, its bytes and the arrival of every rank", async () => {
    const canvas = await openRun("int8");
    const box = await boxOf(canvas);
    await page.mouse.click(
      box.x + GUTTER + fractionOf(int8, "all_reduce.out_proj", 0) * (box.width - GUTTER),
      box.y + COMM,
    );
    const details = page.getByRole("region", { name: "Selected span" });
    await eventually(async () => expect(await details.getByRole("heading").innerText()).toBe("all_reduce.out_proj"));
    await eventually(async () => expect(await details.innerText()).toMatch(/wire\s+int8, two-shot/));
    await eventually(async () =>
      expect(await details.innerText()).toMatch(
        /Rank \d came last, .+ after the first: meanwhile it ran .+; from then on the collective took/,
      ),
    );
    await eventually(async () => expect(await details.locator("tbody tr").count()).toBe(2));
    const steps = stepsOf(int8, "all_reduce.out_proj", 0);
    expect([...steps.keys()]).toContain("quantise");
    const heads = await details.locator("thead th").allInnerTexts();
    const cells = await details.locator("tbody tr").first().locator("th, td").allInnerTexts();
    for (const [name, ns] of steps) expect(cells[heads.indexOf(name)]).toBe(formatTime(ns));
    await page.keyboard.press("Escape");
    await eventually(async () => expect(await details.innerText()).toContain("Click a span"));
  });

  test("shows the longest wait at one click, and what the late rank did meanwhile", async () => {
    await openRun("int8");
    const { rows } = reportCollectives(int8.events, int8.info.clocks);
    const longest = [...rows].sort((a, b) => b.skewNs - a.skewNs)[0];
    if (!longest) throw new Error("no collective");
    const { startNs: from, skewNs, lastRank } = longest;
    const { events } = int8;
    const inside = (i: number): number =>
      Math.min((events.startNs[i] ?? 0) + (events.durNs[i] ?? 0), from + skewNs) -
      Math.max(events.startNs[i] ?? 0, from);
    const times = new Map<string, number>();
    for (let i = 0; i < events.count; i++) {
      const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
      if (events.rank[i] !== lastRank || events.stream[i] !== 0 || inside(i) <= 0) continue;
      times.set(name, (times.get(name) ?? 0) + inside(i));
    }
    const [[name = "", ns = 0] = []] = [...times].sort(([, a], [, b]) => b - a);
    await page.getByRole("button", { name: "Show the longest wait" }).click();
    const said = `Rank ${lastRank} came last, ${formatTime(skewNs)} after the first: meanwhile it ran ${name} for ${formatTime(ns)}`;
    await eventually(async () => expect(await page.locator(".details").innerText()).toContain(said));
    await eventually(async () => expect(await rangeOf()).not.toContain(`(${formatTime(int8.info.durationNs)})`));
  });

  test("begins at the first span, however long the run had waited for it", async () => {
    const { events } = f16;
    const late = {
      info: { ...f16.info, id: "late" },
      events: { ...events, startNs: events.startNs.map((ns) => ns + 5e9) },
    };
    const other = await serve([late]);
    await page.goto(other.urlOf("/runs/late"));
    await page.waitForSelector("[data-loaded]");
    await eventually(async () => expect(await rangeOf()).toContain(`(${formatTime(f16.info.durationNs)})`));
    await page.locator(".timeline canvas").first().focus();
    await page.keyboard.press("ArrowRight");
    await eventually(async () => expect(await page.locator(".details .facts").innerText()).toMatch(/start\s+0 ns/));
    await page.getByRole("tab", { name: "Collectives" }).click();
    const [{ startNs = NaN } = {}] = reportCollectives(events, []).rows;
    const row = page.getByRole("region", { name: "Every collective" }).locator("tbody tr").first();
    await eventually(async () =>
      expect(await row.innerText()).toContain(formatTime(startNs - (events.startNs[0] ?? 0))),
    );
  });

  test("keeps window and selection in a link that another page opens", async () => {
    const canvas = await openRun("int8");
    const box = await boxOf(canvas);
    await page.mouse.move(
      box.x + GUTTER + fractionOf(int8, "selective_scan", 0) * (box.width - GUTTER),
      box.y + COMPUTE,
    );
    for (let i = 0; i < 4; i++) await page.keyboard.press("w");
    await page.mouse.click(
      box.x + GUTTER + fractionOf(int8, "selective_scan", 0) * (box.width - GUTTER),
      box.y + COMPUTE,
    );
    await page.waitForFunction(() => location.hash.includes("span="));
    await page.getByRole("button", { name: "Copy link" }).click();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    const range = await rangeOf();
    const details = await page.locator(".facts").last().innerText();
    const other = await context.newPage();
    await other.goto(link);
    await other.waitForSelector("[data-loaded]");
    await eventually(async () => expect(await other.locator(".details h3").innerText()).toBe("selective_scan"));
    await eventually(async () => expect(await other.locator(".details .facts").innerText()).toBe(details));
    await eventually(async () => expect(await other.locator(".range").innerText()).toBe(range));
  });

  test("fades a kind of op by its legend", async () => {
    const canvas = await openRun("f16");
    const before = await canvas.screenshot();
    const button = page.getByRole("button", { name: "GEMM" });
    await button.click();
    await eventually(async () => expect(await button.getAttribute("aria-pressed")).toBe("false"));
    await page.waitForFunction(() => location.hash === "#hide=gemm");
    expect((await canvas.screenshot()).equals(before)).toBe(false);
  });

  test("walks along spans, rows and occurrences by keyboard alone", async () => {
    const canvas = await openRun("int8");
    await canvas.focus();
    const heading = page.locator(".details h3");
    await page.keyboard.press("ArrowRight");
    await eventually(async () => expect(await heading.innerText()).toBe("embed"));
    await page.keyboard.press("ArrowRight");
    await eventually(async () => expect(await heading.innerText()).toBe("norm"));
    await page.keyboard.press("ArrowRight");
    await eventually(async () => expect(await heading.innerText()).toBe("in_proj.x"));
    await page.keyboard.press(".");
    await eventually(async () => expect(await heading.innerText()).toBe("in_proj.x"));
    await eventually(async () => expect(await page.locator(".details .facts").innerText()).toMatch(/layer 1/));
    await page.keyboard.press("ArrowDown");
    await eventually(async () => expect(await heading.innerText()).toMatch(/^all_reduce/));
  });

  test("has a table of what is on the screen, which follows the window", async () => {
    await openRun("int8");
    await page.getByText("What is on the screen, as a table").click();
    const table = page.locator(".visible-tables table");
    const scan = (): Promise<string> =>
      table.locator("tr", { hasText: "selective_scan" }).locator("td").first().innerText();
    await eventually(async () => expect(await scan()).toBe("16"));
    for (let i = 0; i < 4; i++) await page.keyboard.press("w");
    await page.waitForFunction(() => {
      const row = [...document.querySelectorAll(".visible-tables tr")].find((tr) =>
        tr.textContent.includes("selective_scan"),
      );
      return row?.querySelector("td")?.textContent !== "16";
    });
    expect(Number(await scan())).toBeLessThan(16);
  });

  test("finds spans, counts them, and walks through the hits by button and key", async () => {
    const canvas = await openRun("int8");
    const before = await canvas.screenshot();
    await page.keyboard.press("/");
    await page.keyboard.type("out_proj wire:int8 rank:1");
    const hits = page.locator(".hits");
    const calls = summarise(int8.events).ops.find(({ name }) => name === "all_reduce.out_proj")?.count ?? NaN;
    await page.waitForFunction(() => document.querySelector(".hits")?.textContent !== "");
    await eventually(async () => expect(await hits.innerText()).toMatch(new RegExp(`^${calls / 2} · [\\d.]+ [mµ]s$`)));
    expect((await canvas.screenshot()).equals(before)).toBe(false);
    await page.keyboard.press("Enter");
    await eventually(async () => expect(await page.locator(".details h3").innerText()).toBe("all_reduce.out_proj"));
    await eventually(async () =>
      expect(await page.locator(".details .facts").innerText()).toMatch(/rank 1 · communication[\s\S]*layer 0/),
    );
    await page.getByRole("button", { name: "Next hit" }).click();
    await eventually(async () => expect(await hits.innerText()).toMatch(/^2 of /));
    await canvas.focus();
    await page.keyboard.press("p");
    await page.keyboard.press("p");
    await eventually(async () => expect(await hits.innerText()).toMatch(new RegExp(`^${calls / 2} of `)));
    await page.waitForFunction(() => location.hash.includes("find=out_proj"));
    await page.reload();
    await page.waitForSelector("[data-loaded]");
    await eventually(async () => expect(await hits.innerText()).toMatch(new RegExp(`^${calls / 2} of `)));
  });

  test("says which word of a search it cannot read", async () => {
    await openRun("int8");
    await page.getByRole("searchbox", { name: "Find spans" }).fill("layer:many");
    await page.waitForFunction(() => document.querySelector(".hits")?.textContent !== "");
    await eventually(async () => expect(await page.locator(".hits").innerText()).toContain("layer:many"));
  });

  test("adds up a selected area by op, and keeps it in the link", async () => {
    const canvas = await openRun("int8");
    const box = await boxOf(canvas);
    await page.keyboard.down("Shift");
    await page.mouse.move(box.x + GUTTER, box.y + COMPUTE);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 1, box.y + COMPUTE + 5, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    const table = page.getByRole("region", { name: "Ops in the selected area" });
    const scans = table.locator("tr", { hasText: "selective_scan" }).locator("td").first();
    await eventually(async () => expect(await scans.innerText()).toBe("8"));
    await eventually(async () => expect(await page.locator(".details h3").innerText()).toMatch(/on rank 0$/));
    await page.waitForFunction(() => location.hash.includes("area=0."));
    await page.reload();
    await page.waitForSelector("[data-loaded]");
    await eventually(async () => expect(await scans.innerText()).toBe("8"));
    await page.keyboard.press("Escape");
    await eventually(async () => expect(await page.locator(".details").innerText()).toContain("Click a span"));
    await page.keyboard.press("m");
    await eventually(async () => expect(await scans.innerText()).toBe("16"));
  });

  test("folds and pins ranks by their names", async () => {
    const canvas = await openRun("int8");
    const { height } = await boxOf(canvas);
    await page.getByRole("button", { name: "Rank 0, fold" }).click();
    await page.waitForFunction(
      (tall) => (document.querySelector(".timeline canvas")?.clientHeight ?? tall) < tall,
      height,
    );
    await page.getByRole("button", { name: "Rank 1, pin to the top" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash.includes("pin=1") && location.hash.includes("fold=0"));
    const names = await page.getByRole("group", { name: "Ranks" }).locator("button:not(.pin)").allInnerTexts();
    expect(names.map((name) => name.replace(/[^a-z0-9 ]/g, "").trim())).toEqual(["rank 1", "rank 0"]);
  });

  test("keeps pinned ranks in sight while the others scroll under them", async () => {
    await page.setViewportSize({ width: 1400, height: 600 });
    const canvas = await openRun("eight", "#pin=6");
    await canvas.evaluate((element) => element.scrollIntoView({ block: "start" }));
    const { x, y, width } = await boxOf(canvas);
    const placeOf = async (rank: number): Promise<number> =>
      (await boxOf(page.getByRole("button", { name: `Rank ${rank}, fold` }))).y - y;
    const [pinned, other] = [await placeOf(6), await placeOf(5)];
    await page.mouse.move(x + 700, y + 300);
    await page.mouse.down();
    await page.mouse.move(x + 700, y + 180, { steps: 5 });
    await page.mouse.up();
    await eventually(async () => expect(await placeOf(5)).toBeLessThan(other - 60));
    expect(await placeOf(6)).toBe(pinned);
    const scan = x + GUTTER + fractionOf(eight, "selective_scan", 6) * (width - GUTTER);
    await page.mouse.move(scan, y + COMPUTE);
    await eventually(async () => expect(await page.locator(".card").innerText()).toMatch(/^selective_scan[^]*rank 6/));
    await page.getByRole("button", { name: "Rank 0, fold" }).focus();
    await eventually(async () => expect(await placeOf(0)).toBeGreaterThan(pinned + 60));
  });

  test("moves its window on the minimap", async () => {
    const canvas = await openRun("int8");
    const { x, y, width } = await boxOf(canvas);
    await page.mouse.move(x + 700, y + COMPUTE);
    for (let i = 0; i < 8; i++) await page.keyboard.press("w");
    const zoomed = await rangeOf();
    const map = await boxOf(page.locator(".minimap"));
    await page.mouse.click(map.x + GUTTER + 5, map.y + 5);
    await eventually(async () => expect(await rangeOf()).toMatch(/^0 ns/));
    await page.mouse.move(map.x + GUTTER + 5, map.y + 5);
    await page.mouse.down();
    await page.mouse.move(map.x + width - 2, map.y + 5, { steps: 4 });
    await page.mouse.up();
    const last = await rangeOf();
    expect(last).not.toBe(zoomed);
    expect(last).toContain(`– ${formatTime(int8.info.durationNs)}`);
  });

  test("saves what is on the screen as picture, drawing and table", async () => {
    await openRun("int8", "#find=state_update%20rank%3A1&fold=0");
    const save = async (name: string): Promise<Buffer> => {
      await page.getByTitle("Save what is on the screen").click();
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: new RegExp(name) }).click(),
      ]);
      return readFileSync(await download.path());
    };
    const png = await save("PNG");
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    const { width } = await boxOf(page.locator(".timeline canvas").first());
    expect(png.readUInt32BE(16)).toBe(Math.round(width));
    const svg = (await save("SVG")).toString();
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>$/);
    const [first = "", second = ""] = svg.split(">rank 1<");
    expect(first).not.toContain(">steps<"); // folded
    expect(second).toContain(">steps<");
    expect(first).not.toContain(`fill="${KIND_COLOURS.scan}"`); // not found, so it stands back
    expect(second.split(`fill="${KIND_COLOURS.scan}"`).length).toBeGreaterThan(2); // spans and the legend
    const csv = (await save("CSV")).toString().trimEnd().split("\r\n");
    expect(csv[0]).toMatch(/^rank,stream,name,/);
    const updates = summarise(int8.events).ops.find(({ name }) => name === "state_update")?.count ?? NaN;
    expect(csv).toHaveLength(1 + updates / 2);
    expect(csv[1]).toMatch(/^1,compute,state_update,scan,decode,/);
    await openRun("int8", "#hide=gemm");
    const faded = (await save("SVG")).toString();
    const drawn = (colour: string): number => faded.split(`<rect`).filter((rect) => rect.includes(colour)).length;
    expect(drawn(KIND_COLOURS.gemm)).toBeLessThan(3); // its legend alone
    expect(drawn(KIND_COLOURS.scan)).toBeGreaterThan(10);
  });

  test("lists its keys on a question mark", async () => {
    await openRun("f16");
    await page.keyboard.press("?");
    await eventually(async () =>
      expect(await page.getByRole("dialog", { name: "Keys and gestures" }).isVisible()).toBe(true),
    );
    await page.keyboard.press("Escape");
    await eventually(async () => expect(await page.getByRole("dialog").isVisible()).toBe(false));
  });

  test("changes its colours with the theme and remembers it", async () => {
    const canvas = await openRun("f16");
    const corner = async (): Promise<number> => ((await coloursOf(canvas, 1, 100, 1, 1))[0] ?? 0) & 255;
    await eventually(async () => expect(await corner()).toBe(255));
    await page.getByRole("button", { name: /light and dark/ }).click();
    await page.waitForTimeout(60);
    await eventually(async () => expect(await corner()).toBeLessThan(60));
    await page.reload();
    await page.waitForSelector("[data-loaded]");
    await eventually(async () => expect(await corner()).toBeLessThan(60));
  });
});

describe("the collectives of a run", () => {
  async function openCollectives(): Promise<void> {
    await openRun("int8");
    await page.getByRole("tab", { name: "Collectives" }).click();
    await page.waitForSelector("#panel-collectives table");
  }

  test("stand in a table with skew, transfer, bandwidth and class, sorted and filtered by the server", async () => {
    await openCollectives();
    const { rows } = reportCollectives(int8.events, int8.info.clocks);
    const table = page.getByRole("region", { name: "Every collective" });
    await eventually(async () => expect(await table.locator("tbody tr").count()).toBe(50));
    const worst = [...rows].sort((a, b) => b.skewNs - a.skewNs)[0];
    await table.getByRole("button", { name: "skew", exact: true }).click();
    await page.waitForFunction(() => document.querySelector("[aria-sort]")?.textContent === "skew");
    const first = table.locator("tbody tr").first();
    await eventually(async () => expect(await first.innerText()).toContain(formatTime(worst?.skewNs ?? NaN)));
    await eventually(async () => expect(await first.innerText()).toContain(formatRate(worst?.busbw ?? NaN, "B/s")));
    await eventually(async () => expect(await first.innerText()).toContain(worst?.class));
    await page.getByRole("combobox", { name: "Class" }).selectOption("transfer");
    const transfers = rows.filter((row) => row.class === "transfer").length;
    await page.getByText(`${transfers} matched by group and ordinal`).waitFor();
  });

  test("lead to the timeline, where one click shows it on every rank", async () => {
    await openCollectives();
    await page.getByRole("region", { name: "Every collective" }).locator("tbody button").nth(3).click();
    await eventually(async () => expect(await page.locator(".details h3").innerText()).toMatch(/^all_reduce/));
    await eventually(async () => expect(await page.locator(".details tbody tr").count()).toBe(2));
    await eventually(async () =>
      expect(await page.getByRole("tab", { name: "Timeline" }).getAttribute("aria-selected")).toBe("true"),
    );
  });

  test("name the straggler and the clocks", async () => {
    await openCollectives();
    const { stragglers } = reportCollectives(int8.events, int8.info.clocks);
    const late = stragglers.find(({ rank }) => rank === 1);
    const row = page.getByRole("region", { name: "Stragglers" }).locator("tbody tr").nth(1);
    await eventually(async () => expect(await row.innerText()).toContain(formatShare(late?.lastShare ?? NaN)));
    await eventually(async () =>
      expect(await page.getByRole("region", { name: "Clocks of the ranks" }).innerText()).toContain(
        "the run's own clock",
      ),
    );
  });

  test("warn when the clocks contradict each other, and correct them in the timeline", async () => {
    const { events, info } = int8;
    const shifted = {
      info: { ...info, id: "shifted", clocks: info.clocks.map((one) => ({ ...one, method: "ntp", errorNs: 100 })) },
      events: { ...events, startNs: events.startNs.map((ns, i) => (events.rank[i] === 1 ? ns + 300_000 : ns)) },
    };
    const other = await serve([shifted]);
    await page.goto(other.urlOf("/runs/shifted?tab=collectives"));
    await page.waitForSelector("[data-loaded]", { state: "attached" });
    await eventually(async () =>
      expect(await page.getByRole("alert").innerText()).toMatch(/ended on one rank before they had begun on another/),
    );
    await page.getByRole("tab", { name: "Timeline" }).click();
    const canvas = page.locator(".timeline canvas").first();
    const before = await canvas.screenshot();
    await page.getByRole("tab", { name: "Collectives" }).click();
    await page.getByRole("checkbox", { name: /clocks corrected/ }).check();
    await page.getByRole("tab", { name: "Timeline" }).click();
    expect((await canvas.screenshot()).equals(before)).toBe(false);
    // The tab's own numbers are corrected with it: nobody is late any more by what the clocks were off.
    await page.getByRole("tab", { name: "Collectives" }).click();
    await eventually(async () => expect(await page.getByRole("alert").count()).toBe(0));
    const { stragglers } = reportCollectives(int8.events, int8.info.clocks);
    const caused = page.getByRole("region", { name: "Stragglers" }).locator("tbody tr").nth(1).locator("td").nth(1);
    const off = 1e6 * Math.abs(parseFloat(await caused.innerText()) - (stragglers[1]?.causedNs ?? NaN) / 1e6);
    expect(off).toBeLessThan(0.05 * (stragglers[1]?.causedNs ?? NaN));
  });
});

describe("the analysis of a run", () => {
  test("draws its charts under the page's own security policy, each with its numbers as a table", async () => {
    await openRun("int8");
    await page.getByRole("tab", { name: "Analysis" }).click();
    const figures = page.locator("figure.chart");
    await figures.first().locator(".main-svg").first().waitFor();
    const titles = await figures.locator("h3").allInnerTexts();
    expect(titles).toEqual([
      "Time by op and rank",
      "Exposed communication, overlap, idle",
      "Roofline",
      "AllReduce time and message size",
      "Time to first token",
      "Inter-token latency",
      "Layers in prefill",
      "Layers in decode",
    ]);
    for (let k = 0; k < 6; k++) {
      await figures.nth(k).locator(".main-svg").first().waitFor();
      await figures.nth(k).getByText("The numbers").click();
      await eventually(async () => expect(await figures.nth(k).locator("tbody tr").count()).toBeGreaterThan(0));
    }
    const { split } = analyse(int8.events, int8.info);
    const row = page
      .getByRole("region", { name: "Exposed communication, overlap and idle by rank" })
      .locator("tbody tr");
    await eventually(async () =>
      expect(await row.nth(1).innerText()).toContain(formatTime(split[1]?.exposedNs ?? NaN)),
    );
    const bars = figures.nth(0).locator(".bars path");
    await eventually(async () => expect(await bars.count()).toBeGreaterThan(10));
    expect(
      await page.getByRole("region", { name: "Mean time by op and layer in decode" }).locator("tbody tr").count(),
    ).toBe(Object.keys(analyse(int8.events, int8.info).layers["decode"]?.ops ?? {}).length);
  });
});

describe("the analysis of a run worked out by hand", () => {
  test("shows its roofline, its memory and its layers to the last digit", async () => {
    const other = await serve([handRun("hand")]);
    await page.goto(other.urlOf("/runs/hand?tab=analysis"));
    const figures = page.locator("figure.chart");
    await figures.first().locator(".main-svg").first().waitFor();
    for (const summary of await figures.getByText("The numbers").all()) await summary.click();
    const numbers = async (name: string): Promise<string[]> => {
      const rows = await page.getByRole("region", { name, exact: true }).locator("tbody tr").allInnerTexts();
      return rows.map((row) => row.replace(/\s+/g, " ").trim());
    };
    expect(await numbers("Roofline")).toEqual([
      "out_proj 1.00 1.00 GFLOP/s 1.00 GB/s",
      "in_proj.x 4.00 2.00 GFLOP/s 500.0 MB/s",
      "norm 0.10 300.0 MFLOP/s 3.00 GB/s",
    ]);
    expect(await numbers("Memory by kind and rank")).toEqual(["weights 4.10 kB 8.19 kB", "states 512 B 256 B"]);
    expect(await numbers("Mean time by op and layer in prefill")).toEqual([
      "in_proj.x 360.0",
      "in_proj.z 100.0",
      "out_proj 250.0",
      "norm 100.0",
      "all_reduce.x_proj 140.0",
    ]);
    expect(await numbers("Mean time by op and layer in decode")).toEqual(["out_proj 200.0", "norm 75.00 175.0"]);
    const memory = figures.filter({ hasText: "Memory by kind" }).locator(".bars path");
    await eventually(async () => expect(await memory.count()).toBe(4));
  });
});

describe("the comparison of two runs", () => {
  async function openComparison(): Promise<void> {
    await page.goto(server.urlOf("/compare?a=f16&b=int8"));
    await page.waitForSelector("[data-loaded]");
    await page.waitForSelector(".verdict");
  }

  test("states the verdict and the totals of both runs with their differences", async () => {
    await openComparison();
    const comparison = compareRuns(f16, int8);
    await eventually(async () => expect(await page.locator(".verdict").innerText()).toBe(comparison.verdict));
    const { wireBytes } = comparison;
    await eventually(async () => expect(await page.locator(".stats").innerText()).toContain(formatBytes(wireBytes.b)));
    const gemm = comparison.kinds.find(({ kind }) => kind === "gemm");
    const row = page.getByRole("region", { name: /by kind of op/ }).locator("tr", { hasText: "GEMM" });
    const [a, b, difference] = await row.locator("td").allInnerTexts();
    expect([a, b]).toEqual([formatTime(gemm?.a ?? NaN), formatTime(gemm?.b ?? NaN)]);
    expect(difference?.replace("−", "-")).toContain(formatTime(Math.abs(gemm?.difference ?? NaN)));
    await eventually(async () => expect(await page.getByText("only B").count()).toBe(4));
    const quantising = page.getByRole("region", { name: /Where the collectives' time goes/ }).locator("tr", {
      hasText: /^quantising/,
    });
    await eventually(async () =>
      expect(await quantising.innerText()).toContain(formatTime(comparison.ledger.quantise.b)),
    );
    const outProj = page
      .getByRole("region", { name: "Collectives of both runs" })
      .locator("tr", { hasText: "out_proj" });
    const { interval } = comparison.collectives.find(({ name }) => name.endsWith("out_proj"))?.paired.transfer ?? {};
    await eventually(async () =>
      expect(await outProj.locator(".interval").first().innerText()).toContain(formatTime(interval?.low ?? NaN)),
    );
  });

  test("shows each run's time as soon as it is added up, and what is still waited for, without moving the timelines", async () => {
    const held = new Map<string, () => Promise<void>>();
    await page.route(/\/api\/(compare|runs\/int8\/summary)/, (route) => {
      held.set(new URL(route.request().url()).pathname, () => route.continue());
    });
    const release = async (path: string): Promise<void> => {
      await eventually(() => Promise.resolve(expect([...held.keys()]).toContain(path)));
      await held.get(path)?.();
    };
    await page.goto(server.urlOf("/compare?a=f16&b=int8"));
    await page.waitForSelector("[data-loaded]");
    const bars = (run: string): Promise<number> =>
      page
        .getByRole("region", { name: `Ranks of ${run}` })
        .getByRole("img")
        .count();
    await eventually(async () => expect([await bars("A"), await bars("B")]).toEqual([2, 0]));
    await eventually(async () => expect(await page.getByRole("status").allInnerTexts()).toContain("Adding up…"));
    const timelines = page.getByRole("heading", { name: "Timelines on one scale" });
    const place = await boxOf(timelines);
    await release("/api/runs/int8/summary");
    await page.getByText("Pairing the calls of both runs…").waitFor();
    expect([await bars("A"), await bars("B")]).toEqual([2, 2]);
    await release("/api/compare");
    await page.waitForSelector(".verdict");
    expect(await page.getByRole("progressbar", { name: "Comparing" }).count()).toBe(0);
    expect(await boxOf(timelines)).toEqual(place);
  });

  test("calls nothing a gain or a loss that pairs of calls do not bear out", async () => {
    const again = syntheticRun({ id: "again", label: "two ranks f16", seed: 12 });
    const other = await serve([f16, again]);
    await page.goto(other.urlOf("/compare?a=f16&b=again"));
    await page.waitForSelector(".verdict");
    const { kinds, verdict } = compareRuns(f16, again);
    expect(verdict).toMatch(/does not hide (stays|shows no difference beyond chance)/);
    expect(kinds.some(({ ratio }) => ratio !== null && Math.abs(ratio - 1) > 0.02)).toBe(true);
    await page.getByRole("region", { name: /by kind of op/ }).waitFor();
    expect(await page.locator(".stats, [aria-label*='by kind of op']").locator(".gain, .loss").count()).toBe(0);
    // Runs of one name are told apart by when they were recorded.
    expect(await page.getByRole("heading", { level: 1 }).first().innerText()).toMatch(
      /two ranks f16\s+\d{4}-\d\d-\d\d/,
    );
  });

  test("draws both timelines on one scale and zooms them together", async () => {
    await openComparison();
    const canvases = page.locator(".timeline canvas:not(.overlay)");
    await eventually(async () => expect(await canvases.count()).toBe(2));
    const first = await boxOf(canvases.nth(0));
    const second = await boxOf(canvases.nth(1));
    expect([second.x, second.width]).toEqual([first.x, first.width]);
    // The shorter run ends before the right edge: at the same scale its last pixels are empty.
    const longest = Math.max(f16.info.durationNs, int8.info.durationNs);
    await eventually(async () => expect(await rangeOf()).toContain(`(${formatTime(longest)})`));
    await canvases.nth(0).scrollIntoViewIfNeeded();
    const before = await Promise.all([canvases.nth(0).screenshot(), canvases.nth(1).screenshot()]);
    const { x, y } = await boxOf(canvases.nth(0));
    await page.mouse.move(x + 700, y + COMPUTE);
    await page.mouse.wheel(0, -300);
    await page.mouse.move(5, 5);
    await page.waitForTimeout(100);
    expect((await canvases.nth(0).screenshot()).equals(before[0])).toBe(false);
    expect((await canvases.nth(1).screenshot()).equals(before[1])).toBe(false);
  });

  test("asks which runs when the address does not say", async () => {
    await page.goto(server.urlOf("/compare?a=f16"));
    await page.getByRole("combobox").nth(1).selectOption("int8");
    await page.getByRole("button", { name: "Compare" }).click();
    await page.waitForURL(/a=f16&b=int8/);
    await page.waitForSelector("[data-loaded]");
  });
});
