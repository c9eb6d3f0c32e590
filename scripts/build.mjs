// Compiles TypeScript to dist/ and bundles the profiler's pages to dist/web/. Does nothing when nothing changed.
import { cpSync, existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDone, markDone, root, run } from "./lib.mjs";

const sources = ["package.json", "tsconfig.json", "kernel", "profiler-ui"];

/** Pages are the .html files of profiler-ui/web; each loads the script of the same name. */
async function bundlePages() {
  const { build } = await import("esbuild");
  const web = join(root, "profiler-ui/web");
  const pages = readdirSync(web).filter((name) => name.endsWith(".html"));
  await build({
    entryPoints: pages.map((page) => join(web, page.replace(/\.html$/, ".ts"))),
    outdir: join(root, "dist/web"),
    bundle: true,
    minify: true,
    sourcemap: true,
    format: "esm",
    splitting: true,
    target: "es2022",
    logLevel: "warning",
  });
  for (const page of pages) cpSync(join(web, page), join(root, "dist/web", page));
  const assets = join(web, "assets");
  if (existsSync(assets)) cpSync(assets, join(root, "dist/web"), { recursive: true });
}

export async function buildTypeScript() {
  if (isDone("typescript", sources, "dist/kernel/cli/main.js")) return;
  // Not `npx tsc`: tslab brings a compiler of its own under that name.
  run(process.execPath, [createRequire(import.meta.url).resolve("typescript/bin/tsc"), "-p", "tsconfig.json"]);
  await bundlePages();
  markDone("typescript", sources);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildTypeScript();
