/** Traces that other tools recorded become runs: Chrome and Kineto JSON, plain or .gz, and SQLite exports of nsys. */

import { cpus, totalmem } from "node:os";
import { basename, join, resolve } from "node:path";
import { Worker } from "node:worker_threads";

import { aborted, RunError } from "../../errors";
import { abortSignal, callback, checkOptions, invalid, nonEmptyText, text } from "../../options";
import { packageRoot, packageVersion } from "../../package-root";
import type { RunInfo } from "../../../../profiler-ui/trace/run";
import { createRunFolder, removeRunFolder, runsFolder, writeInfo } from "../folder";
import { Run } from "../run";
import type { ImportReply, ImportThreadData } from "./import-thread";

export interface ImportOptions {
  /** The files' name unless given. */
  readonly label?: string;
  /** Folder of runs; STATELINE_RUNS or `runs` unless given. */
  readonly runs?: string;
  readonly signal?: AbortSignal;
  /** Spans read so far, and the file that is being read. */
  readonly onProgress?: (progress: { readonly spans: number; readonly file: string }) => void;
}

/**
 * Imports the traces of one execution as a run: one file, or a file a rank.
 *
 * @throws OptionError; RunError `E_IMPORT_UNREADABLE`, `E_IMPORT_INVALID`, `E_IMPORT_TOO_LARGE`, `E_RUNS_NOT_WRITABLE`;
 * AbortedError `E_ABORTED`
 * @example
 * const run = await importRun(["rank0.json.gz", "rank1.json.gz"]);
 */
export async function importRun(files: string | readonly string[], options?: ImportOptions): Promise<Run> {
  const paths = typeof files === "string" ? [files] : files;
  if (!Array.isArray(paths) || paths.length === 0 || !paths.every((path) => nonEmptyText.accepts(path)))
    invalid("files", "paths of one file or more", files);
  const checked = checkOptions("importRun", options, {
    label: text,
    runs: nonEmptyText,
    signal: abortSignal,
    onProgress: callback<NonNullable<ImportOptions["onProgress"]>>(),
  });
  return importFiles(
    paths.map((path) => ({ path: resolve(path), name: basename(path) })),
    checked,
  );
}

/** The same for files that are called otherwise than they are stored. */
export async function importFiles(files: ImportThreadData["files"], options: ImportOptions): Promise<Run> {
  const { signal, onProgress } = options;
  const created = new Date();
  const name = files[0]?.name ?? "";
  const { id, folder } = await createRunFolder(runsFolder(options.runs), idFor(created, name));
  try {
    const read = await onThread({ files, folder }, signal, onProgress);
    const info: RunInfo = {
      ...read,
      ...{ id, createdAt: created.toISOString() },
      label: options.label || labelFor(files.map((file) => file.name)),
      machine: { cpu: cpus()[0]?.model ?? "", isa: "", cores: cpus().length, memoryBytes: totalmem() },
      versions: { stateline: packageVersion(), node: process.versions.node },
    };
    await writeInfo(folder, info);
    return new Run(info, folder);
  } catch (error) {
    await removeRunFolder(folder);
    throw error;
  }
}

function onThread(
  data: ImportThreadData,
  signal: AbortSignal | undefined,
  onProgress: ImportOptions["onProgress"],
): Promise<Omit<RunInfo, "id" | "createdAt" | "label" | "machine" | "versions">> {
  if (signal?.aborted) return Promise.reject(aborted("the import", signal));
  // The compiled file, also when these sources run uncompiled, as in tests.
  const thread = new Worker(join(packageRoot(), "dist/kernel/api/runs/import/import-thread.js"), { workerData: data });
  const abort = (): void => void thread.terminate();
  signal?.addEventListener("abort", abort, { once: true });
  return new Promise<Omit<RunInfo, "id" | "createdAt" | "label" | "machine" | "versions">>((done, fail) => {
    thread.on("message", (reply: ImportReply) => {
      if ("info" in reply) done(reply.info);
      else if ("code" in reply) fail(new RunError(reply.code, reply.message, reply.details));
      else onProgress?.(reply);
    });
    thread.on("error", fail);
    thread.on("exit", () =>
      fail(
        signal?.aborted
          ? aborted("the import", signal)
          : new RunError(
              "E_IMPORT_TOO_LARGE",
              "the import ended before its time; is there enough memory for this trace?",
              {},
            ),
      ),
    );
  }).finally(() => {
    signal?.removeEventListener("abort", abort);
    void thread.terminate();
  });
}

/** Files of a rank each are called alike: what they have in common, or the first one's name. */
function labelFor(names: readonly string[]): string {
  const [first = ""] = names;
  const label = first.replaceAll(/\p{Cc}+/gu, " ").slice(0, 160);
  return names.length === 1 ? label : `${label} and ${names.length - 1} more`;
}

/** 20260131-154500-import-rank0 */
function idFor(created: Date, name: string): string {
  const stamp = created.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  const stem = name
    .replace(/(\.pt\.trace)?\.(json|sqlite|gz)(\.gz)?$/i, "")
    .replaceAll(/[^A-Za-z0-9.]+/g, "-")
    .slice(0, 60);
  return `${stamp}-import-${stem || "trace"}`;
}
