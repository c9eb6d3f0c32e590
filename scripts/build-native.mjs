// Builds build/Release/stateline.node with CMake, driven by cmake-js. Called by npm's install script and by node-gyp.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { cudaStamp } from "./nvcc.mjs";
import { fail, fingerprint, isDone, markDone, root, toStderr } from "./lib.mjs";

const sources = ["CMakeLists.txt", "native", cudaStamp];

function requireTool(command, what) {
  if (spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0) return;
  fail(
    `Stateline needs ${what} to build its engine, and \`${command}\` does not run here. Install it, then run the command again.`,
  );
}

export function buildNative() {
  const state = fingerprint(sources);
  if (isDone("native", state, "build/Release/stateline.node")) return;
  requireTool("cmake", "CMake 3.22 or newer");
  requireTool(process.env.CXX ?? "c++", "a C++20 compiler (GCC 12, Clang 15 or newer)");
  const cmakeJs = createRequire(import.meta.url).resolve("cmake-js/bin/cmake-js");
  // The tests are built in the same folder, with the same objects (CMakePresets.json, release).
  const options = ["--out", "build/cmake", "--target", "stateline_addon", "--parallel", String(cpus().length)];
  const args = ["build", "--directory", root, ...options];
  const { status } = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: toStderr });
  if (status !== 0) fail("The native build failed; the compiler's message is above.");
  markDone("native", state);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildNative();
