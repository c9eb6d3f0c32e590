/** What was measured once on this machine, kept in the user's cache folder so that it need not be measured again. */

import { randomUUID } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { cpus, homedir } from "node:os";
import { join } from "node:path";

import { Turns } from "../../../profiler-ui/trace/turns";
import { makeFolder } from "../../files/make-folder";
import { addon } from "../addon";
import { aborted } from "../errors";
import { integer, number } from "../options";
import { packageVersion } from "../package-root";
import { readText } from "../runs/folder";
import { measurePoints, wireTypes, type AllReduceCurve, type AllReduceSetting } from "./all-reduce";
import { crossover, type Crossover } from "./crossover";

/** Message sizes in values, 256 KiB to 4 MiB: below, no design is known that gains by a codec (2 to 16 MiB is usual). */
const SIZES = [2 ** 16, 2 ** 17, 2 ** 18, 2 ** 19, 2 ** 20];
/** Many rounds where they are short, since the best of them counts. */
const EFFORT = { rounds: 25, mostMs: 500 };

/** A file that is larger was not written here. */
const MOST_BYTES = 1 << 22;

export interface MachineCurve extends AllReduceCurve {
  /** ISO date of the measurement. */
  readonly measured: string;
}

type Curves = Readonly<Record<string, MachineCurve>>;

/** Two measurements at a time would disturb each other, and the second may find what the first kept. */
const turns = new Turns(1);

/** Curves that could not be written down, by file. */
const unwritten = new Map<string, Curves>();

/** `STATELINE_CACHE`, else `stateline` in the system's cache folder. */
export function cacheFolder(): string {
  const { STATELINE_CACHE, XDG_CACHE_HOME } = process.env;
  return STATELINE_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "stateline");
}

/**
 * The curve of this machine and setting, measured when it is not known yet.
 *
 * @throws AbortedError `E_ABORTED`
 */
export async function machineCurve(setting: AllReduceSetting, signal?: AbortSignal): Promise<MachineCurve> {
  const file = join(cacheFolder(), "all-reduce.json");
  const key = keyOf(setting);
  const find = async (): Promise<MachineCurve | undefined> =>
    (await readCurves(file))[key] ?? unwritten.get(file)?.[key];
  const findOrMeasure = async (): Promise<MachineCurve> => {
    const found = await find();
    if (found) return found;
    const points = await measurePoints(setting, SIZES, EFFORT, signal);
    const curve = { ...setting, points, crossover: crossover(points), measured: new Date().toISOString() };
    await keep(file, { [key]: curve });
    return curve;
  };
  try {
    return (await find()) ?? (await turns.take(findOrMeasure, signal));
  } catch (error) {
    throw signal?.aborted ? aborted("measuring AllReduce", signal) : error;
  }
}

/** What the times depend on, beside the sizes. */
function keyOf({ ranks, threadsPerRank, group }: AllReduceSetting): string {
  const { isa, cores } = addon().cpuInfo();
  return [
    packageVersion(),
    cpus()[0]?.model.trim(),
    `${cores} cores`,
    isa,
    `${ranks} ranks`,
    `${threadsPerRank} threads`,
    `group ${group}`,
  ].join(", ");
}

/** Those of the file that are whole; none where it is missing, damaged or no file: they are measured again. */
async function readCurves(file: string): Promise<Curves> {
  try {
    const content: unknown = JSON.parse(await readText(file, MOST_BYTES));
    if (typeof content !== "object" || content === null) return {};
    return Object.fromEntries(
      Object.entries(content).filter((entry): entry is [string, MachineCurve] => isCurve(entry[1])),
    );
  } catch {
    return {};
  }
}

/** Adds to the file, whole or not at all, since other processes read and write it. */
async function keep(file: string, curves: Curves): Promise<void> {
  const fresh = `${file}.${randomUUID()}.tmp`;
  try {
    makeFolder(cacheFolder());
    await writeFile(fresh, JSON.stringify({ ...(await readCurves(file)), ...curves }, null, 1), { flag: "wx" });
    await rename(fresh, file);
  } catch {
    unwritten.set(file, { ...unwritten.get(file), ...curves }); // for as long as this process lives
    await rm(fresh, { force: true }).catch(() => undefined); // its folder may be no folder
  }
}

function isCurve(value: unknown): value is MachineCurve {
  if (typeof value !== "object" || value === null) return false;
  const { points, measured, crossover: found } = value as Partial<MachineCurve>;
  const dated = typeof measured === "string" && /^\d{4}-\d\d-\d\dT/.test(measured);
  return dated && Array.isArray(points) && points.length > 0 && (found === null || isCrossover(found));
}

function isCrossover(value: unknown): value is Crossover {
  if (typeof value !== "object" || value === null) return false;
  const { wireType, fromBytes, gain } = value as Partial<Crossover>;
  const narrower = wireTypes.some((type) => type === wireType && type !== "f32");
  return narrower && integer(1, 2 ** 31).accepts(fromBytes) && number(1).accepts(gain);
}
