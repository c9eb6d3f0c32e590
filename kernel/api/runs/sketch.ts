/** A long run drawn roughly, soon: a mark for each stretch of a lane, made by DuckDB where the events lie. */

import type { DuckDBConnection } from "@duckdb/node-api";

import { pick } from "../../../profiler-ui/trace/columns";
import type { EventColumns } from "../../../profiler-ui/trace/events";
import { laneIndices } from "../../../profiler-ui/trace/lanes";
import { since, type Marks } from "../../../profiler-ui/trace/marks";
import { readColumns } from "./duckdb";
import { eventFiles } from "./folder";
import { LONGEST_TEXT, MOST_EVENTS, parquetSource, readTable, withDatabase } from "./parquet-reader";
import { EVENT_SCHEMA, quoted } from "./schema";

/** Which row of which file: to carry that through a grouping costs a fifth of carrying the row itself. */
const PLACE = "(file_index::BIGINT << 40) + file_row_number";

/**
 * The longest span of every rank and stream in each of `pixels` stretches of the run, for all that begin there; null where
 * times are no numbers, or for more events than are read. Spans inside others count as if they stood beside them. Times
 * are counted from the first span.
 *
 * @throws RunError `E_RUN_UNREADABLE`
 */
export async function sketchMarks(folder: string, pixels: number): Promise<Marks | null> {
  const files = await eventFiles(folder);
  if (files.length === 0) return null;
  return withDatabase(folder, async (database) => {
    const { connection } = database;
    const events = parquetSource(files);
    // The files' ends tell it: no event is read for it.
    const extent = await connection.runAndReadAll(
      `SELECT count(*)::DOUBLE, min(start_ns)::DOUBLE, max(start_ns)::DOUBLE FROM ${events}`,
    );
    const [[count, first, last] = []] = extent.getRows();
    if (Number(count) > MOST_EVENTS) return null;
    const origin = Number(first);
    const stretch = Math.ceil((Number(last) - origin) / pixels);
    if (!(stretch >= 1 && stretch <= Number.MAX_SAFE_INTEGER)) return null;
    await connection.run(`CREATE TEMP TABLE stretches AS
      SELECT arg_max(${PLACE}, dur_ns) AS longest, min(start_ns)::DOUBLE AS first, max(start_ns::DOUBLE + dur_ns) AS last,
        count(*)::DOUBLE AS spans, sum(dur_ns)::DOUBLE AS busy
      FROM ${events} GROUP BY rank, stream, start_ns // ${stretch}`);
    // Longer ones are refused, whoever wrote them; they need not be copied for that.
    const columns = EVENT_SCHEMA.map(({ column, type }) =>
      type === "TEXT" ? `left(e.${quoted(column)}, ${LONGEST_TEXT + 1}) AS ${quoted(column)}` : `e.${quoted(column)}`,
    );
    await connection.run(`CREATE TEMP TABLE kept AS
      SELECT ${columns.join(", ")}, first, last, spans, busy
      FROM ${events} AS e JOIN stretches ON longest = ${PLACE} ORDER BY e.start_ns, e.dur_ns DESC`);
    const longest = await readTable(database, "kept");
    return marksOf(longest, await stretchesOf(connection, longest.count), origin);
  });
}

/** Of the spans of each stretch, in the order of the longest. */
interface Stretches {
  readonly first: Float64Array;
  readonly last: Float64Array;
  readonly spans: Float64Array;
  readonly busy: Float64Array;
}

async function stretchesOf(connection: DuckDBConnection, count: number): Promise<Stretches> {
  const column = (): Float64Array => new Float64Array(count);
  const [first, last, spans, busy] = [column(), column(), column(), column()];
  await readColumns(connection, "SELECT first, last, spans, busy FROM kept", [first, last, spans, busy]);
  return { first, last, spans, busy };
}

/** Lane by lane; a mark ends where the next begins, whatever of its spans lasts on. */
function marksOf(longest: EventColumns, { first, last, spans, busy }: Stretches, origin: number): Marks {
  const { count } = longest;
  const order = new Uint32Array(count);
  const [fromNs, toNs, busyNs] = [new Float64Array(count), new Float64Array(count), new Float64Array(count)];
  const counts = new Uint32Array(count);
  let at = 0;
  for (const { index } of laneIndices(longest)) {
    let end = 0;
    for (const i of index) end = Math.max(end, last[i] ?? 0);
    for (let k = 0; k < index.length; k++, at++) {
      const i = index[k] ?? 0;
      const next = k + 1 < index.length ? (first[index[k + 1] ?? 0] ?? 0) : Infinity;
      const from = first[i] ?? 0;
      const to = next === Infinity ? end : Math.min(last[i] ?? 0, next);
      order[at] = i;
      counts[at] = spans[i] ?? 0;
      fromNs[at] = from - origin;
      toNs[at] = to - origin;
      busyNs[at] = Math.min(busy[i] ?? 0, to - from);
    }
  }
  return {
    events: since(origin, pick(longest, order)),
    marks: { depth: new Uint8Array(count), fromNs, toNs, spans: counts, busyNs },
  };
}
