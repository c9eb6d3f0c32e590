// node scripts/pictures.mjs: docs/run.png and docs/compare.png anew, of runs recorded here. A machine that does nothing else
// gives pictures of the model, a busy one pictures of its waiting.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { ensureChromium } from "./chromium.mjs";
import { ensureBuilt } from "./ensure.mjs";
import { root } from "./lib.mjs";

/** Selects an AllReduce in the middle of the run and shows it with its neighbours. */
async function showCollective(page) {
  const id = new URL(page.url()).searchParams.get("b");
  await page.goto(new URL(`/runs/${id}`, page.url()).href);
  await page.waitForSelector("[data-loaded]");
  await page.locator(".timeline canvas").first().focus();
  await page.keyboard.press("ArrowRight");
  const heading = page.locator(".details h3");
  while (!(await heading.innerText()).startsWith("all_reduce.out_proj")) {
    await page.keyboard.press("ArrowDown");
    if (!(await heading.innerText()).startsWith("all_reduce")) continue;
    await page.keyboard.press("ArrowRight");
  }
  for (let k = 0; k < 120; k++) await page.keyboard.press(".");
  await page.keyboard.press("f");
  for (let k = 0; k < 4; k++) await page.keyboard.press("s");
  await page.evaluate(() => scrollTo(0, 0));
}

await ensureBuilt();
const runs = mkdtempSync(join(tmpdir(), "stateline-pictures-"));
const args = [join(root, "dist/kernel/cli/main.js"), "start", "--runs", runs];
const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
const browser = await chromium.launch({
  executablePath: ensureChromium(),
  args: ["--disable-gpu", "--force-color-profile=srgb", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1110 }, colorScheme: "light" });
  for await (const line of createInterface({ input: server.stdout })) {
    const address = /side by side: (\S+)/.exec(line)?.[1];
    if (!address) continue;
    await page.goto(address);
    await page.waitForSelector("[data-loaded]");
    await page.waitForSelector(".verdict");
    await page.screenshot({ path: join(root, "docs/compare.png") });
    await page.setViewportSize({ width: 1280, height: 930 });
    await showCollective(page);
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(root, "docs/run.png") });
    break;
  }
} finally {
  await browser.close();
  server.kill("SIGINT");
  rmSync(runs, { recursive: true, force: true });
}
