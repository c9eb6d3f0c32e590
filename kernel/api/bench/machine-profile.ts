/** What was measured once on this machine, kept in the user's cache folder so that it need not be measured again. */

import { readFile, rename, writeFile } from "node:fs/promises";
import { cpus, homedir } from "node:os";
import { join } from "node:path";

import { makeFolder } from "../../files/make-folder";
import { addon } from "../addon";
import { packageVersion } from "../package-root";
import { measureCurve, type AllReduceCurve, type AllReduceSetting } from "./all-reduce";

/** Message sizes in values, 256 KiB to 4 MiB: below, no design is known that gains by a codec (2 to 16 MiB is usual). */
const SIZES = [2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20];
const ROUNDS = 5;

export interface MachineCurve extends AllReduceCurve {
  /** ISO date of the measurement. */
  readonly measured: string;
}

/** `STATELINE_CACHE`, else `stateline` in the system's cache folder. */
export function cacheFolder(): string {
  const { STATELINE_CACHE, XDG_CACHE_HOME } = process.env;
  return STATELINE_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "stateline");
}

/** The curve of this machine and setting, measured when it is not known yet. */
export async function machineCurve(setting: AllReduceSetting, signal?: AbortSignal): Promise<MachineCurve> {
  const file = join(cacheFolder(), "all-reduce.json");
  const { isa, cores } = addon().cpuInfo();
  const { ranks, threadsPerRank, group } = setting;
  const key = [
    packageVersion(),
    cpus()[0]?.model.trim(),
    `${cores} cores`,
    isa,
    `${ranks} ranks`,
    `${threadsPerRank} threads`,
    `group ${group}`,
  ].join(", ");
  const known = await readCurves(file);
  const found = known[key];
  if (isCurve(found)) return found;
  const curve = { ...(await measureCurve(setting, SIZES, ROUNDS, signal)), measured: new Date().toISOString() };
  await keep(file, { ...known, [key]: curve });
  return curve;
}

async function readCurves(file: string): Promise<Record<string, unknown>> {
  try {
    const content: unknown = JSON.parse(await readFile(file, "utf8"));
    return typeof content === "object" && content !== null ? { ...content } : {};
  } catch {
    return {}; // none yet, or damaged: measured again
  }
}

/** Whole or not at all, since other processes read it; a folder that cannot be written to costs a measurement the next time. */
async function keep(file: string, curves: Record<string, unknown>): Promise<void> {
  const fresh = `${file}.${process.pid}`;
  try {
    makeFolder(cacheFolder());
    await writeFile(fresh, JSON.stringify(curves, null, 1));
    await rename(fresh, file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
  }
}

function isCurve(value: unknown): value is MachineCurve {
  if (typeof value !== "object" || value === null) return false;
  const { points, measured, crossover } = value as Partial<MachineCurve>;
  const fits =
    crossover === null ||
    (typeof crossover === "object" && Number.isFinite(crossover.fromBytes) && Number.isFinite(crossover.gain));
  return Array.isArray(points) && points.length > 0 && typeof measured === "string" && fits;
}
