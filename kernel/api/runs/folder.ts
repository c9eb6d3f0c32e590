/** Where runs lie on disk: `runs/<id>/run.json` and `events-00000.parquet`, …, written so that a killed process leaves them readable. */

import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";

import { RUN_FORMAT, type RunInfo } from "../../../profiler-ui/trace/run";
import { makeFolder } from "../../files/make-folder";
import { isObject } from "../checkpoint/json";
import { reasonOf, RunError } from "../errors";
import { shown } from "../options";
import { knownOfRun, misfitOfRun } from "./run-shape";

/** Bytes of a run.json: far above any run's, far below what fills a memory. */
const MOST_BYTES = 128e6;

/** Which process records a run, to tell a live one from one that was killed. */
interface Recorder {
  readonly pid: number;
  readonly host: string;
}

/** The folder of runs: `given`, else STATELINE_RUNS, else `runs` in the working directory. */
export function runsFolder(given?: string): string {
  return resolve(given ?? (process.env["STATELINE_RUNS"] || "runs"));
}

/** @throws RunError `E_RUN_NOT_FOUND`: ids are one path segment, so that none can lead out of the folder. */
export function folderOf(root: string, id: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id)) return join(root, id);
  throw new RunError("E_RUN_NOT_FOUND", `${shown(id)} is not a run's id; \`stateline runs\` lists them`, { id });
}

/**
 * Makes a new run's folder: `base`, or `base-2`, … where that exists.
 *
 * @throws RunError `E_RUNS_NOT_WRITABLE`
 */
export async function createRunFolder(
  root: string,
  base: string,
): Promise<{ readonly id: string; readonly folder: string }> {
  try {
    makeFolder(root);
    for (let copy = 1; ; copy++) {
      const id = copy === 1 ? base : `${base}-${copy}`;
      const folder = folderOf(root, id);
      try {
        await mkdir(folder);
        return { id, folder };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
    }
  } catch (error) {
    const reason = reasonOf(error);
    throw new RunError(
      "E_RUNS_NOT_WRITABLE",
      `cannot write runs to ${root}: ${reason}; set STATELINE_RUNS to a folder you can write`,
      { folder: root },
      { cause: error },
    );
  }
}

/** Replaces run.json in one step. While a run is recorded it names this process. */
export async function writeInfo(folder: string, info: RunInfo): Promise<void> {
  const recorder: Recorder = { pid: process.pid, host: hostname() };
  const stored = info.status === "recording" ? { ...info, recorder } : info;
  const path = join(folder, "run.json");
  await writeFile(`${path}.tmp`, `${JSON.stringify(stored, null, 2)}\n`);
  await rename(`${path}.tmp`, path);
}

/**
 * What run.json says; "interrupted" when the process that recorded the run is gone.
 *
 * @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE`
 */
export async function readInfo(folder: string, id: string): Promise<RunInfo> {
  const path = join(folder, "run.json");
  const unreadable = (reason: string, cause?: unknown): never => {
    throw new RunError("E_RUN_UNREADABLE", `${path} is not a run's description: ${reason}`, { id, path }, { cause });
  };
  let text;
  try {
    if ((await lstat(folder)).isSymbolicLink()) throw new Error("its folder is a link, which may lead anywhere");
    text = await readText(path, MOST_BYTES);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") unreadable(message, error);
    throw new RunError(
      "E_RUN_NOT_FOUND",
      `there is no run ${shown(id)} in ${join(folder, "..")}; \`stateline runs\` lists them`,
      { id },
    );
  }
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (error) {
    unreadable("it is not valid JSON", error);
  }
  if (!isObject(stored)) return unreadable("it is not a JSON object");
  const { format, recorder, ...info } = stored;
  if (!Number.isInteger(format) || Number(format) > RUN_FORMAT) {
    return unreadable(`its format is ${shown(format)}, this version reads up to ${RUN_FORMAT}`);
  }
  const misfit = misfitOfRun(info);
  if (misfit !== undefined) return unreadable(misfit);
  const run = { ...(knownOfRun(info) as RunInfo), format, id } as RunInfo;
  return run.status === "recording" && !isAlive(recorder) ? { ...run, status: "interrupted" } : run;
}

/**
 * The text of a file of a run. Runs come from others, too: a link could lead out of the folder, a pipe be waited for for ever.
 *
 * @throws Error that says what is wrong with it
 */
export async function readText(path: string, mostBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new Error("it is no file");
    if (found.size > mostBytes) throw new Error(`it has ${found.size} bytes, at most ${mostBytes} are read`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** Paths of a run's Parquet files, in order. @throws RunError `E_RUN_UNREADABLE` for one that is a link or no file */
export async function eventFiles(folder: string): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => EVENTS.test(name));
  const other = entries.find((entry) => !entry.isFile());
  if (other) {
    const message = `${join(folder, other.name)} is a link or no file; a run's events lie in its folder`;
    throw new RunError("E_RUN_UNREADABLE", message, { folder, file: other.name });
  }
  return entries.map(({ name }) => join(folder, name)).sort();
}

const EVENTS = /^events-\d{5,}\.parquet$/;

/** Ids in a folder of runs; none where there is no such folder. */
export async function runIds(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new RunError(
      "E_RUNS_UNREADABLE",
      `cannot read the runs in ${root}: ${error.message}`,
      { folder: root },
      { cause: error },
    );
  });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Takes back a folder whose recording never began. */
export async function removeRunFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/** Whether the process that `recorder` names still runs. On another host nobody can tell; there it is taken to. */
export function isAlive(recorder: unknown): boolean {
  if (!isObject(recorder)) return false;
  const { pid, host } = recorder;
  if (host !== hostname()) return true;
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
