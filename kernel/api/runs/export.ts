/** Writes a run as a file of another tool's format. */

import { copyFile, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import type { EventColumns } from "../../../profiler-ui/trace/events";
import { exportTrace, type TraceFormat } from "../../../profiler-ui/trace/export/index";
import type { RunInfo } from "../../../profiler-ui/trace/run";
import { makeFolder } from "../../files/make-folder";
import { openDatabase } from "./duckdb";
import { eventFiles } from "./folder";
import { emptyTable, parquetSource } from "./parquet-reader";
import { literal, PARQUET } from "./schema";

/** All events in one Parquet file. */
export async function exportParquet(folder: string, path: string): Promise<void> {
  makeFolder(dirname(path));
  const files = await eventFiles(folder);
  const [only] = files;
  if (only && files.length === 1) return copyFile(only, path);
  const database = await openDatabase({ memory_limit: "1GB" }); // what sorting takes beyond it goes to a file
  try {
    const source = files.length > 0 ? parquetSource(files) : emptyTable();
    await database.connection.run(
      `COPY (SELECT * FROM ${source} ORDER BY start_ns, dur_ns DESC) TO ${literal(path)} (${PARQUET})`,
    );
  } finally {
    database.close();
  }
}

/**
 * A trace file. Chrome's is a file of all ranks when `path` ends in .json, else a folder with a file a rank, as
 * Holistic Trace Analysis reads them.
 */
export async function exportTraceFile(
  format: TraceFormat,
  events: EventColumns,
  info: RunInfo,
  path: string,
): Promise<void> {
  if (format !== "chrome" || path.endsWith(".json")) return writePieces(path, exportTrace(format, events, info));
  for (const rank of new Set(events.rank)) {
    await writePieces(join(path, `${basename(path)}-rank${rank}.json`), exportTrace(format, events, info, rank));
  }
}

/** Waits for the disk after each piece, so that other work goes on. */
async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  makeFolder(dirname(path));
  const file = await open(path, "w");
  try {
    for (const piece of pieces) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}
