/** A folder of runs as the profiler's server and the API read it. */

import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { EventColumns } from "../../../profiler-ui/trace/events";
import type { Marks } from "../../../profiler-ui/trace/marks";
import type { RunInfo, RunSource, RunStore, SqlAnswer, SqlLimits } from "../../../profiler-ui/trace/run";
import { RunError } from "../errors";
import { exportParquet } from "./export";
import { folderOf, readInfo, runIds, runsFolder } from "./folder";
import { importUpload } from "./import/upload";
import { openDatabase } from "./duckdb";
import { readEvents } from "./parquet-reader";
import { announceProfiler } from "./profiler-address";
import { sketchMarks } from "./sketch";
import { runSql } from "./sql";
import { annotate, readNotes, removeRun, restoreRun } from "./store";

export class FolderRunSource implements RunSource {
  /** Absolute path. */
  readonly folder: string;

  /** `folder`: STATELINE_RUNS or `runs` unless given. */
  constructor(folder?: string) {
    this.folder = runsFolder(folder);
  }

  readonly store: RunStore = {
    annotate: (id, change) => annotate(this.folder, id, change),
    remove: (id) => removeRun(this.folder, id),
    restore: (id) => restoreRun(this.folder, id),
    importFiles: (files, body, signal) => importUpload(this.folder, files, body, signal),
  };

  /** Newest first. Folders that are no run, or whose description cannot be read, are left out. */
  async list(): Promise<RunInfo[]> {
    const found = await Promise.all(
      (await runIds(this.folder)).map(async (id) => {
        try {
          return [await this.info(id)];
        } catch (error) {
          if (error instanceof RunError) return [];
          throw error;
        }
      }),
    );
    return found
      .flat()
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.id < b.id ? 1 : -1));
  }

  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE` */
  async info(id: string): Promise<RunInfo> {
    const folder = folderOf(this.folder, id);
    return { ...(await readInfo(folder, id)), ...(await readNotes(folder)) };
  }

  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE` */
  async events(id: string): Promise<EventColumns> {
    await this.info(id);
    return readEvents(folderOf(this.folder, id));
  }

  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE` */
  async sketch(id: string, pixels: number): Promise<Marks | null> {
    await this.info(id);
    return sketchMarks(folderOf(this.folder, id), pixels);
  }

  /** Says where these runs are served, for what notebooks draw of them; gives what takes the word back. */
  announce(url: string): Promise<() => Promise<void>> {
    return announceProfiler(this.folder, url);
  }

  /** DuckDB takes a while to load. */
  async warm(): Promise<void> {
    (await openDatabase()).close();
  }

  /** @throws RunError `E_RUN_NOT_FOUND`, `E_SQL`, `E_SQL_TOO_LONG`, `E_SQL_TOO_LARGE`; AbortedError `E_ABORTED` */
  async sql(id: string, text: string, limits: SqlLimits): Promise<SqlAnswer> {
    await this.info(id);
    return runSql(folderOf(this.folder, id), text, limits);
  }

  /** @throws RunError `E_RUN_NOT_FOUND` */
  async *parquet(id: string): AsyncGenerator<Uint8Array> {
    await this.info(id);
    const scratch = await mkdtemp(join(tmpdir(), "stateline-"));
    try {
      const path = join(scratch, "events.parquet");
      await exportParquet(folderOf(this.folder, id), path);
      yield* createReadStream(path) as AsyncIterable<Uint8Array>;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
}
