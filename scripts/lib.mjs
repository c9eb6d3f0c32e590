// What the scripts share: where the project is, how a step is run, how one ends with a clear line, what is up to date.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Where builds talk: standard output is the program's own, JSON as often as not. */
export const toStderr = ["inherit", 2, 2];

/** Runs a command in the project's root; ends this process with its status when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** Installs Python packages; whether it could. What pip says of a failure goes to standard error. */
export function pipInstall(python, ...args) {
  const quiet = ["--quiet", "--disable-pip-version-check"];
  const { status } = spawnSync(python, ["-m", "pip", "install", ...quiet, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, PIP_ROOT_USER_ACTION: "ignore" }, // containers are root's
  });
  return status === 0;
}

function* files(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path).sort()) yield* files(join(path, name));
}

/** Name, size and time of every file under `paths`: changes when any of them does. */
export function fingerprint(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    for (const file of files(join(root, path))) {
      const { size, mtimeMs } = statSync(file);
      hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest("hex");
}

/** What an installation depends on. */
export const installManifest = ["package-lock.json"];

const stampFile = (name) => join(root, "build/stamps", name);

/** Whether `markDone(name, of)` was called with the same fingerprint and `product` is still there. */
export function isDone(name, of, product) {
  const stamp = stampFile(name);
  return existsSync(join(root, product)) && existsSync(stamp) && readFileSync(stamp, "utf8") === of;
}

/** `of`: the fingerprint from before the work, so that what was edited meanwhile is done again. */
export function markDone(name, of) {
  mkdirSync(dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), of);
}
