/** Folders that the user names: for the results, the runs, the cache, the history, the kernelspec. */

import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it that are missing. Node's `recursive` never returns where the system says that the
 * parent does not exist although it does, as under /proc (Node 20 to 24).
 *
 * @throws Error of node:fs, which names the folder that cannot be made
 * @example
 * makeFolder("out/traces");
 */
export function makeFolder(path: string, mode = 0o777): void {
  if (isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeFolder(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isFolder(path)) throw error; // another process may have made it
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
