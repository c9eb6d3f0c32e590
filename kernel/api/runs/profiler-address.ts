/**
 * Where the profiler of a runs folder listens, so that what a notebook draws can lead there: a file in the folder, readable
 * by its owner alone as it holds the server's token, for as long as the server runs.
 */

import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

import { isObject } from "../checkpoint/json";
import { isAlive } from "./folder";

const NAME = ".profiler.json";

/**
 * Says that this process serves `folder` at `url`, the address of the list of runs with its token. A folder that cannot
 * be written is served without.
 *
 * @returns takes the word back
 */
export async function announceProfiler(folder: string, url: string): Promise<() => Promise<void>> {
  const path = join(folder, NAME);
  const said = JSON.stringify({ url, pid: process.pid, host: hostname() });
  const write = async (): Promise<true> => {
    // A file that stood there would keep its mode.
    await rm(path, { force: true });
    await writeFile(path, said, { flag: "wx", mode: 0o600 });
    return true;
  };
  const written = await write().catch(() => false);
  return async () => {
    // Another server of the same folder may have said so since.
    if (written && (await readFile(path, "utf8").catch(() => "")) === said) await rm(path, { force: true });
  };
}

/** Address of a page of the profiler that serves `folder` from this host, undefined where none does. */
export async function profilerAddress(folder: string, page: string): Promise<string | undefined> {
  const text = await readFile(join(folder, NAME), "utf8").catch(() => "");
  if (text === "") return undefined;
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined; // half written, or not ours
  }
  if (!isObject(said) || said["host"] !== hostname() || !isAlive(said)) return undefined;
  const { url } = said;
  if (typeof url !== "string" || !/^http:\/\/[^/]+\/\?token=[\w-]+$/.test(url)) return undefined;
  const [origin = "", token = ""] = url.split("/?token=");
  const [path = "", hash = ""] = page.split("#");
  const query = `${path.includes("?") ? "&" : "?"}token=${token}`;
  return `${origin}${path}${query}${hash === "" ? "" : `#${hash}`}`;
}
