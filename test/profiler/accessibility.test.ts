import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import type { AxeResults } from "axe-core";
import { startServer, type ProfilerServer } from "../../profiler-ui/server/index";
import { launchChromium } from "../support/chromium";
import { sourceOf } from "./support/source";
import { syntheticRun } from "./support/synthetic-run";

const f16 = syntheticRun({ id: "f16", label: "two ranks f16" });
const int8 = syntheticRun({ id: "int8", label: "two ranks int8", wireType: "int8", seed: 3 });
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

let server: ProfilerServer;
let browser: Browser;

beforeAll(async () => {
  // A run with all marks that a list can show.
  const marked = { ...int8.info, status: "interrupted", lost: 7, tags: ["baseline"] } as const;
  server = await startServer({ source: sourceOf([{ ...int8, info: marked }, f16]) });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser.close();
  await server.close();
});

/** Rules broken with serious or critical effect, and where. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run: () => Promise<AxeResults> } }).axe.run(),
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

describe.each(["light", "dark"] as const)("axe-core finds nothing serious in %s", (colorScheme) => {
  test.each([
    ["/", "table"],
    ["/runs/int8", "[data-loaded]"],
    ["/runs/int8?tab=collectives", "#panel-collectives table"],
    ["/runs/int8?tab=analysis", ".chart .main-svg"],
    ["/runs/int8?tab=sql", ".sql textarea"],
    ["/compare?a=f16&b=int8", ".verdict"],
    ["/compare", "select"],
    ["/runs/none", "[role=alert]"],
  ])("on %s", async (path, ready) => {
    const page = await browser.newPage({ colorScheme });
    await page.goto(server.urlOf(path));
    await page.waitForSelector(ready);
    await page.waitForTimeout(300);
    expect(await violations(page)).toEqual([]);
    await page.close();
  });
});
