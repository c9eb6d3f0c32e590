// Compiles TypeScript to dist/ and bundles the profiler's pages to dist/web/. Does nothing when nothing changed.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fingerprint, isDone, markDone, root, run, toStderr } from "./lib.mjs";

const sources = ["package.json", "tsconfig.json", "kernel", "profiler-ui"];

/** The pages by the script that fills each; page.html is the frame of all. */
const pages = { index: "Runs", run: "Run", compare: "Compare", frame: "Timeline" };

/** The charts' library is a script of its own: few visits need it, and it is thirty times as large as a page's. */
const plotly = "plotly.js-strict-dist-min";

/** A page's script is one file: imports of imports would be asked for one after the other. */
async function bundlePages() {
  const { build } = await import("esbuild");
  const web = join(root, "profiler-ui/web");
  rmSync(join(root, "dist/web"), { recursive: true, force: true });
  const options = {
    outdir: join(root, "dist/web"),
    bundle: true,
    minify: true,
    sourcemap: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
  };
  const entryPoints = Object.keys(pages).map((script) => join(web, `${script}.ts`));
  await build({ ...options, entryPoints, alias: { [plotly]: "/plotly.js" }, external: ["/plotly.js"] });
  await build({ ...options, entryPoints: { plotly } });
  const frame = readFileSync(join(web, "page.html"), "utf8");
  for (const [script, title] of Object.entries(pages)) {
    const page = frame.replace("{{title}}", title).replace("{{script}}", script);
    writeFileSync(join(root, "dist/web", `${script}.html`), page);
  }
  const assets = join(web, "assets");
  if (existsSync(assets)) cpSync(assets, join(root, "dist/web"), { recursive: true });
}

export async function buildTypeScript() {
  const state = fingerprint(sources);
  if (isDone("typescript", state, "dist/kernel/cli/main.js")) return;
  // Not `npx tsc`: tslab brings a compiler of its own under that name.
  run(process.execPath, [createRequire(import.meta.url).resolve("typescript/bin/tsc"), "-p", "tsconfig.json"], {
    stdio: toStderr,
  });
  await bundlePages();
  markDone("typescript", state);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildTypeScript();
