/** The package's folder, found from this file both in dist/ and in the sources. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StatelineError } from "../trace/errors";

/** Path of something built, below `dist/`. @throws StatelineError `E_PAGES_MISSING` */
export function builtPath(path: string): string {
  let folder = __dirname;
  while (!isPackage(folder)) {
    const parent = dirname(folder);
    if (parent === folder) throw missing(__dirname);
    folder = parent;
  }
  const built = join(folder, "dist", path);
  if (!existsSync(built)) throw missing(built);
  return built;
}

function isPackage(folder: string): boolean {
  const file = join(folder, "package.json");
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: unknown }).name === "stateline";
}

function missing(path: string): StatelineError {
  return new StatelineError("E_PAGES_MISSING", `The profiler is not built (${path}). Run \`npm run build\`.`, { path });
}
