/**
 * Where the profiler of a runs folder listens, so that what a notebook draws can lead there: a file in the folder, readable
 * by its owner alone as it holds the server's token, for as long as the server runs.
 */

import { constants } from "node:fs";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, networkInterfaces, userInfo } from "node:os";
import { join } from "node:path";

import { isObject } from "../checkpoint/json";
import { isAlive } from "./folder";

const NAME = ".profiler.json";
/** A profiler that does not answer by then is not there. */
const PATIENCE_MS = 1000;

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

/** Addresses of pages of the profiler that serves `folder` from this host; undefined where none does. */
export type ProfilerView = (page: string) => string;

/**
 * A way to look at `runs`. What it leads to is saved with the notebook: it holds a key that opens these runs alone, for
 * some hours, and not the server's token.
 */
export async function profilerView(folder: string, runs: readonly string[]): Promise<ProfilerView | undefined> {
  const url = await announced(folder);
  if (url === undefined) return undefined;
  const { origin, searchParams } = new URL(url);
  try {
    const response = await fetch(`${origin}/api/views`, {
      method: "POST",
      headers: { authorization: `Bearer ${searchParams.get("token") ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify({ runs }),
      // The token goes to this server and to none that it may point to.
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const { key } = (await response.json()) as { readonly key?: unknown };
    if (!response.ok || typeof key !== "string") return undefined;
    return (page) => {
      const address = new URL(page, origin);
      address.searchParams.set("view", key);
      return address.href;
    };
  } catch {
    return undefined; // it was killed, or does not answer
  }
}

async function announced(folder: string): Promise<string | undefined> {
  const text = await ownText(join(folder, NAME)).catch(() => "");
  if (text === "") return undefined;
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return undefined; // half written, or not ours
  }
  if (!isObject(said) || said["host"] !== hostname() || !isAlive(said)) return undefined;
  const { url } = said;
  return typeof url === "string" && FORM.test(url) && isHere(new URL(url).hostname) ? url : undefined;
}

const FORM = /^http:\/\/[\w.:[\]-]+\/\?token=[\w-]+$/;

/** Folders of runs are copied and shared: only what this user wrote, and no one else can, is believed. */
async function ownText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    const { uid, mode, size } = await file.stat();
    const own = process.platform === "win32" || (uid === userInfo().uid && (mode & 0o077) === 0);
    return own && size < 4096 ? await file.readFile("utf8") : "";
  } finally {
    await file.close();
  }
}

/** Whether an address of a URL is one of this machine's. */
function isHere(name: string): boolean {
  const address = name.replace(/^\[|\]$/g, "");
  if (address === "localhost" || address === "::1" || /^127(?:\.\d{1,3}){3}$/.test(address)) return true;
  return Object.values(networkInterfaces()).some((those) => those?.some((one) => one.address === address));
}
