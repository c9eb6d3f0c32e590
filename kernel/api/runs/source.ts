/** A folder of runs as the profiler's server and the API read it. */

import type { EventColumns } from "../../../profiler-ui/trace/events";
import type { RunInfo, RunSource } from "../../../profiler-ui/trace/run";
import { RunError } from "../errors";
import { folderOf, readInfo, runIds, runsFolder } from "./folder";
import { readEvents } from "./parquet-reader";

export class FolderRunSource implements RunSource {
  /** Absolute path. */
  readonly folder: string;

  /** `folder`: STATELINE_RUNS or `runs` unless given. */
  constructor(folder?: string) {
    this.folder = runsFolder(folder);
  }

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
    return readInfo(folderOf(this.folder, id), id);
  }

  /** @throws RunError `E_RUN_NOT_FOUND`, `E_RUN_UNREADABLE` */
  async events(id: string): Promise<EventColumns> {
    await this.info(id);
    return readEvents(folderOf(this.folder, id));
  }
}
