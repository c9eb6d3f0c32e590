// npm test: installs and builds what is missing, then runs every check and ends with `N passed, N failed`.
// --sanitizers adds the C++ tests under ASan/UBSan and TSan, which .ci/run does.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { ensureNvcc } from "./nvcc.mjs";
import { ensureBuilt } from "./ensure.mjs";
import { root } from "./lib.mjs";

const results = join(root, "build/test-results");
const tally = { passed: 0, failed: 0 };

/** A package's program by its file: not every package exports the path. */
const bin = (name, program = `${name}.js`) => join(root, "node_modules", name, "bin", program);

const secondsSince = (begun) => Math.round((performance.now() - begun) / 1000);
let counted = performance.now();

function count(title, passed, failed, seconds = secondsSince(counted)) {
  tally.passed += passed;
  tally.failed += failed;
  counted = performance.now();
  const verdict = failed === 0 ? "ok" : "FAILED";
  process.stdout.write(`${verdict}  ${title}: ${passed} passed, ${failed} failed, ${seconds} s\n\n`);
}

function succeeds(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  if (error) process.stderr.write(`${command} could not be started: ${error.message}\n`);
  return status === 0;
}

/** A check that either holds or does not. */
function check(title, command, args) {
  process.stdout.write(`--- ${title}\n`);
  const ok = succeeds(command, args);
  count(title, ok ? 1 : 0, ok ? 0 : 1);
}

/** Checks of one processor each, side by side; what they print comes when they end, one after the other. */
async function sideBySide(list) {
  const begun = performance.now();
  const ended = list.map(([title, program, ...args]) => {
    const child = spawn(process.execPath, [program, ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    return new Promise((resolve) => {
      child.on("close", (code) => resolve({ title, output, ok: code === 0, seconds: secondsSince(begun) }));
    });
  });
  for (const end of ended) {
    const { title, output, ok, seconds } = await end;
    process.stdout.write(`--- ${title}\n${output}`);
    count(title, ok ? 1 : 0, ok ? 0 : 1, seconds);
  }
}

/** What later stages need from the net is fetched while the processors compile. Whoever needs it looks, and says what failed. */
function fetchAhead(script, ...args) {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: "ignore" });
  return new Promise((resolve) => child.on("close", resolve));
}

/** Ninja, as cmake-js takes it where it is there; a folder that is configured keeps what it has. */
const ninja = spawnSync("ninja", ["--version"]).status === 0 ? { CMAKE_GENERATOR: "Ninja" } : {};

/** The C++ tests of one CMake preset, by ctest. */
function native(preset, folder = `build/${preset}`) {
  const title = `C++ tests, ${preset}`;
  process.stdout.write(`--- ${title}\n`);
  const report = join(results, `ctest-${preset}.xml`);
  const parallel = ["-j", String(cpus().length)];
  const ok =
    succeeds("cmake", ["--preset", preset, "--log-level=WARNING"], ninja) &&
    succeeds("cmake", ["--build", folder, ...parallel]) &&
    succeeds("ctest", [
      "--test-dir",
      folder,
      "--output-on-failure",
      "--no-tests=error",
      ...parallel,
      "--output-junit",
      report,
    ]);
  if (!existsSync(report)) return count(title, 0, 1);
  const cases = readFileSync(report, "utf8").match(/<testcase [^>]*status="[a-z]+"/g) ?? [];
  const passed = cases.filter((text) => text.includes('status="run"')).length;
  count(title, passed, Math.max(cases.length - passed, ok ? 0 : 1));
}

function jest(env) {
  process.stdout.write("--- Jest\n");
  const report = join(results, "jest.json");
  // Jest would leave a core to itself, and many tests wait for processes of their own.
  const workers = `--maxWorkers=${Math.max(2, cpus().length - 1)}`;
  const ok = succeeds(
    process.execPath,
    [bin("jest"), "--ci", workers, "--json", `--outputFile=${report}`, "--testLocationInResults=false"],
    env,
  );
  if (!existsSync(report)) return count("Jest", 0, 1);
  const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  // A skipped test protects nothing, and a suite that does not load has no failed test to count.
  const failed = numFailedTests + numPendingTests;
  count("Jest", numPassedTests, Math.max(failed, numFailedTestSuites, ok ? 0 : 1));
}

ensureNvcc(); // first, so that the engine is built with CUDA; where that fails, the check of the kernels does
const fetched = [fetchAhead("scripts/python-env.mjs", "--lab"), fetchAhead("scripts/chromium.mjs")];
await ensureBuilt();
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

process.stdout.write(`installed and built in ${secondsSince(0)} s\n\n`);
counted = performance.now();
await sideBySide([
  ["types", bin("typescript", "tsc"), "--noEmit", "-p", "test/tsconfig.json"],
  ["lint", bin("eslint"), "."],
  ["format", "scripts/format.mjs"],
]);
check("npm run build:cuda", process.execPath, ["scripts/build-cuda.mjs"]);
check("CUDA kernels", process.execPath, ["scripts/cuda-table.mjs", "--check"]);
native("release", "build/cmake");
check("CUDA kernels on the CPU", process.execPath, ["scripts/cuda-table.mjs", "--ran", "build/cmake/native/test/cuda"]);
check("GPU check without a GPU", "sh", ["bench/gpu/run.sh", "--dry-run"]);
if (process.argv.includes("--sanitizers")) {
  native("asan");
  native("tsan");
}

await Promise.all(fetched);
const { ensureChromium } = await import("./chromium.mjs");
const { ensureLab } = await import("./python-env.mjs");
const chromium = ensureChromium();
if (!chromium)
  process.stderr.write("Chromium is missing and could not be installed: install it or set CHROMIUM to its path.\n");
ensureLab(); // before the tests that share it
jest(chromium ? { CHROMIUM: chromium } : {});

process.stdout.write(`${tally.passed} passed, ${tally.failed} failed\n`);
process.exit(tally.failed > 0 ? 1 : 0);
