// Brings a clone up to date: installs and builds what is missing or older than its sources, and is quick when nothing is.
import { fingerprint, installManifest, isDone, run, toStderr } from "./lib.mjs";

function ensureInstalled() {
  if (isDone("install", fingerprint(installManifest), "node_modules/.package-lock.json")) return;
  const npm = process.env.npm_execpath;
  // Building needs the development dependencies, whatever NODE_ENV says.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  if (npm) run(process.execPath, [npm, ...args], { stdio: toStderr });
  else run("npm", args, { stdio: toStderr });
}

export async function ensureBuilt() {
  ensureInstalled();
  const { buildNative } = await import("./build-native.mjs");
  const { buildTypeScript } = await import("./build.mjs");
  buildNative();
  await buildTypeScript();
}
