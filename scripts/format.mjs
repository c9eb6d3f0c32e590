// Formats TypeScript and text with prettier, C++ and CUDA with clang-format; without --write it only checks.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "./lib.mjs";

const require = createRequire(import.meta.url);
const write = process.argv.includes("--write");

const native = ["native", "bench"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.(h|cpp|cu|cuh)$/.test(name))
    .map((name) => join(folder, name)),
);
const tools = [
  [require.resolve("prettier/bin/prettier.cjs"), "--log-level", "warn", write ? "--write" : "--check", "."],
  [require.resolve("clang-format/index.js"), ...(write ? ["-i"] : ["--dry-run", "-Werror"]), ...native],
];
const failed = tools.filter(([tool, ...args]) => {
  const { status } = spawnSync(process.execPath, [tool, ...args], { cwd: root, stdio: "inherit" });
  return status !== 0;
});
if (failed.length > 0 && !write) process.stderr.write("Run `npm run format` to put the files above into shape.\n");
process.exit(failed.length > 0 ? 1 : 0);
