/** JupyterLab as a reader has it: the quickstart notebook in a browser, run, looked into, asked, interrupted, restarted. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { launchChromium } from "../support/chromium";
import { startCli } from "../support/cli";
import { root } from "../support/fixtures";
import { jupyterEnvironment, pythonProgram, temporaryFolder } from "./support/environment";

/** A busy machine is slow, not wrong. */
const PATIENCE_MS = 200_000;
jest.setTimeout(2 * PATIENCE_MS);

const NOTEBOOK = "notebooks/01-quickstart.ipynb";

let lab: ChildProcess | undefined;
let profiler: ChildProcess | undefined;
let browser: Browser | undefined;
let page: Page;

beforeAll(async () => {
  const folder = temporaryFolder();
  for (const name of ["notebooks", "runs"]) mkdirSync(join(folder, name));
  copyFileSync(join(root, NOTEBOOK), join(folder, NOTEBOOK));
  symlinkSync(join(root, "models"), join(folder, "models")); // the notebook names the bundled models by ../models
  // No question about news; a completion that comes late on a busy machine is shown all the same.
  setting(folder, "apputils-extension/notification", { fetchNews: "false", checkForUpdates: false });
  setting(folder, "completer-extension/manager", { providerTimeout: PATIENCE_MS });
  profiler = startCli(["serve", join(folder, "runs"), "--json"]);
  await once(profiler.stdout ?? profiler, "data"); // it listens
  const { url, token } = await startLab(folder);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1400, height: 1200 } });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${url}lab/tree/${NOTEBOOK}?token=${token}`);
  // JupyterLab may ask which kernel to start; the notebook's own is chosen already.
  const ask = page.locator(".jp-Dialog .jp-mod-accept");
  await ask.or(idle()).waitFor();
  if (await ask.isVisible()) await ask.click();
  await idle().waitFor();
});

afterAll(async () => {
  await browser?.close();
  profiler?.kill("SIGTERM");
  if (lab === undefined || lab.exitCode !== null) return;
  const ended = once(lab, "exit");
  lab.kill("SIGTERM");
  await ended;
});

/** Writes a setting of JupyterLab's own extensions as a user would keep it. */
function setting(folder: string, name: string, values: Readonly<Record<string, unknown>>): void {
  const file = join(folder, "settings/@jupyterlab", `${name}.jupyterlab-settings`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(values));
}

/** Starts JupyterLab; where it listens it writes into its runtime folder. */
async function startLab(folder: string): Promise<{ url: string; token: string }> {
  const { python, env } = pythonProgram("--lab");
  const jupyter = jupyterEnvironment();
  const settings = {
    "ServerApp.root_dir": folder,
    "ServerApp.port": 0,
    "ServerApp.open_browser": "False",
    "ServerApp.allow_root": "True",
    "LabApp.collaborative": "False",
  };
  const options = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(python, ["-m", "jupyterlab", ...options], {
    env: {
      ...jupyter,
      ...env,
      JUPYTER_CONFIG_DIR: join(folder, "config"),
      JUPYTERLAB_SETTINGS_DIR: join(folder, "settings"),
      JUPYTERLAB_WORKSPACES_DIR: join(folder, "workspaces"),
      STATELINE_RUNS: join(folder, "runs"),
    },
    stdio: "ignore",
  });
  lab = child;
  const file = join(String(jupyter["JUPYTER_RUNTIME_DIR"]), `jpserver-${child.pid ?? 0}.json`);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`JupyterLab ended with ${child.exitCode}`);
    try {
      return JSON.parse(readFileSync(file, "utf8")) as { url: string; token: string };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100)); // not there yet, or half written
    }
  }
}

const cells = (): Locator => page.locator(".jp-Notebook .jp-CodeCell");
const cellWith = (text: string): Locator => cells().filter({ has: page.locator(".cm-content", { hasText: text }) });
const numberOf = (cell: Locator): Locator => cell.locator(".jp-InputPrompt", { hasText: /\[\d+\]/ });

/** What a cell shows, once it is there. */
async function shows(cell: Locator, text: string | RegExp): Promise<void> {
  await cell.locator(".jp-OutputArea-output", { hasText: text }).first().waitFor();
}

/** The status bar's word for a kernel that waits: the notebook's own indicator says idle before there is one. */
const idle = (): Locator => page.locator("#jp-main-statusbar", { hasText: "TypeScript (Stateline) | Idle" });

async function menu(name: string, entry: string): Promise<void> {
  await page.locator(".lm-MenuBar-itemLabel", { hasText: name }).click();
  await page.locator(".lm-Menu-itemLabel", { hasText: entry }).first().click();
}

async function confirmRestart(): Promise<void> {
  await page.locator(".jp-Dialog button", { hasText: /^Restart$/ }).click();
}

/** Types into a new cell at the end. */
async function typeCell(text: string): Promise<Locator> {
  const count = await cells().count();
  await cells().last().locator(".cm-content").click();
  await page.keyboard.press("Escape");
  await page.keyboard.press("b");
  await cells().nth(count).waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.insertText(text);
  return cells().nth(count);
}

test("run all in JupyterLab draws timelines and comparisons in the page, and no cell fails", async () => {
  await menu("Kernel", "Restart Kernel and Clear Outputs of All Cells");
  await confirmRestart();
  await numberOf(cells().first()).waitFor({ state: "detached" });
  await idle().waitFor();
  await menu("Run", "Run All Cells");
  await numberOf(cells().last()).waitFor();
  expect(await page.locator('.jp-OutputArea-output[data-mime-type*="error"]').count()).toBe(0);
  for (const code of ["f16.timeline()", "stateline.compare(turns16, turns8)"]) {
    const picture = cellWith(code).locator('img[src^="data:image/svg"]').first();
    await picture.scrollIntoViewIfNeeded();
    expect((await picture.boundingBox())?.height).toBeGreaterThan(100);
    // It is drawn, not a broken image.
    expect(await picture.evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(300);
  }
});

test("in tables a shape stays on one line, and ops that run inside others are set in", async () => {
  const shape = cellWith("model.plan").locator("td", { hasText: "2048 × 256" }).first();
  const lines = (cell: Element): number => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getClientRects().length;
  };
  expect(await shape.evaluate(lines)).toBe(1);
  const left = (name: string): Promise<number> =>
    cellWith("f16.summary()")
      .locator("td", { hasText: new RegExp(`^\\s*${name}$`) })
      .evaluate((cell) => {
        const text = cell.firstChild as Text;
        const range = document.createRange();
        range.setStart(text, text.data.search(/\S/));
        range.setEnd(text, text.length);
        return range.getBoundingClientRect().left;
      });
  expect(await left("quantise")).toBeGreaterThan(await left("sample"));
});

test("where the profiler serves the runs, the live timeline unfolds under the picture", async () => {
  const cell = cellWith("f16.timeline()");
  await cell.locator("summary", { hasText: "the live timeline" }).click();
  const frame = cell.frameLocator("iframe");
  await frame.locator("canvas").first().waitFor();
  await frame.locator("progress.done").waitFor({ state: "attached" });
});

test("a dot and Tab give names; Shift+Tab gives type and documentation", async () => {
  const cell = await typeCell("stateline.");
  await page.keyboard.press("Tab");
  await page.locator(".jp-Completer-item", { hasText: "loadModel" }).click();
  await cell.locator(".cm-content", { hasText: "stateline.loadModel" }).waitFor();
  await page.keyboard.press("Shift+Tab");
  const tooltip = page.locator(".jp-Tooltip");
  await tooltip.filter({ hasText: "Promise<Model>" }).waitFor();
  await tooltip.filter({ hasText: "Loads a model" }).waitFor();
  await page.keyboard.press("Escape");
});

test("a generation's bar moves and stays when it is interrupted; variables live until a restart", async () => {
  const endless = await typeCell(
    'const again = await stateline.loadModel("../models/tiny-mamba");\nawait again.generate("The", { maxNewTokens: 200_000, stopTokens: [] });',
  );
  await page.keyboard.press("Control+Enter");
  await shows(endless, /generating with tiny-mamba\s*0 %/);
  await shows(endless, /generating with tiny-mamba\s*[1-9]\d* %/);
  await menu("Kernel", "Interrupt Kernel");
  await shows(endless, "Interrupted: the cell was interrupted");
  await shows(endless, /generating with tiny-mamba\s*\d+ %/);
  const after = await typeCell("again.config.layers");
  await page.keyboard.press("Control+Enter");
  await shows(after, /^\s*8\s*$/);
  await menu("Kernel", "Restart Kernel…");
  await confirmRestart();
  const gone = await typeCell("again");
  await page.keyboard.press("Control+Enter");
  await shows(gone, "Cannot find name 'again'");
});
