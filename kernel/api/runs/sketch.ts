/** A long run drawn roughly, soon: a few spans of it, chosen by DuckDB where they lie. */

import type { EventColumns } from "../../../profiler-ui/trace/events";
import { eventFiles } from "./folder";
import { parquetSource, readTable, withDatabase } from "./parquet-reader";

/**
 * The longest span of every rank and stream in each of `pixels` stretches of the run, and the run's first and last
 * span; null where times are no numbers. Spans inside others stand back: they are shorter.
 *
 * @throws RunError `E_RUN_UNREADABLE`
 */
export async function sketchEvents(folder: string, pixels: number): Promise<EventColumns | null> {
  const files = await eventFiles(folder);
  if (files.length === 0) return null;
  return withDatabase(folder, async (database) => {
    const { connection } = database;
    const events = parquetSource(files);
    const end = "start_ns::DOUBLE + dur_ns";
    const extent = await connection.runAndReadAll(
      `SELECT min(start_ns)::DOUBLE, max(${end}), min(start_ns)::VARCHAR, arg_max(start_ns, ${end})::VARCHAR FROM ${events}`,
    );
    const [[first, last, startOfFirst, startOfLast] = []] = extent.getRows();
    const stretch = Math.ceil((Number(last) - Number(first)) / pixels);
    if (!(stretch >= 1 && stretch <= Number.MAX_SAFE_INTEGER)) return null;
    // The two spans at the ends are found by their starts: whatever else lies elsewhere in the files is not read again.
    await connection.run(`CREATE TEMP TABLE sketch AS
      SELECT unnest(arg_max(e, dur_ns)) FROM ${events} AS e GROUP BY e.rank, e.stream, e.start_ns // ${stretch}
      UNION SELECT unnest(arg_min(e, start_ns)) FROM ${events} AS e WHERE start_ns = ${String(startOfFirst)}
      UNION SELECT unnest(arg_max(e, ${end})) FROM ${events} AS e WHERE start_ns = ${String(startOfLast)}`);
    return readTable(database, "sketch");
  });
}
