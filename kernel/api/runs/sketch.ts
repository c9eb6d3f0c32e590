/** A long run drawn roughly, soon: a mark for each stretch of a lane, made by DuckDB where the events lie. */

import { pick } from "../../../profiler-ui/trace/columns";
import type { EventColumns } from "../../../profiler-ui/trace/events";
import { laneIndices } from "../../../profiler-ui/trace/lanes";
import { since, type Marks } from "../../../profiler-ui/trace/marks";
import { eventFiles } from "./folder";
import { parquetSource, readTable, withDatabase } from "./parquet-reader";

/**
 * The longest span of every rank and stream in each of `pixels` stretches of the run, for all that begin there; null where
 * times are no numbers. Spans inside others count as if they stood beside them. Times are counted from the first span.
 *
 * @throws RunError `E_RUN_UNREADABLE`
 */
export async function sketchMarks(folder: string, pixels: number): Promise<Marks | null> {
  const files = await eventFiles(folder);
  if (files.length === 0) return null;
  return withDatabase(folder, async (database) => {
    const { connection } = database;
    const events = parquetSource(files);
    const extent = await connection.runAndReadAll(
      `SELECT min(start_ns)::DOUBLE, max(start_ns::DOUBLE + dur_ns) FROM ${events}`,
    );
    const [[first, last] = []] = extent.getRows();
    const origin = Number(first);
    const stretch = Math.ceil((Number(last) - origin) / pixels);
    if (!(stretch >= 1 && stretch <= Number.MAX_SAFE_INTEGER)) return null;
    await connection.run(`CREATE TEMP TABLE stretches AS SELECT * FROM
      (SELECT arg_max(e, dur_ns) AS longest, count(*)::DOUBLE AS spans, sum(dur_ns)::DOUBLE AS busy,
        min(start_ns)::DOUBLE AS first, max(start_ns::DOUBLE + dur_ns) AS last
      FROM ${events} AS e GROUP BY e.rank, e.stream, e.start_ns // ${stretch}) AS s
      ORDER BY s.longest.start_ns, s.longest.dur_ns DESC`);
    const longest = await readTable(database, "(SELECT unnest(longest) FROM stretches)");
    const rows = (await connection.runAndReadAll("SELECT first, last, spans, busy FROM stretches")).getRowsJS();
    return marksOf(longest, rows as unknown as readonly Stretch[], origin);
  });
}

type Stretch = readonly [first: number, last: number, spans: number, busy: number];

/** Lane by lane; a mark ends where the next begins, whatever of its spans lasts on. */
function marksOf(longest: EventColumns, stretches: readonly Stretch[], origin: number): Marks {
  const index: number[] = [];
  const extents: Stretch[] = [];
  for (const lane of laneIndices(longest)) {
    const known = [...lane.index].flatMap((i) => stretches.slice(i, i + 1));
    const end = known.reduce((latest, [, last]) => Math.max(latest, last), 0);
    index.push(...lane.index);
    known.forEach(([first, last, spans, busy], k) => {
      const next = known[k + 1]?.[0];
      extents.push([first, next === undefined ? end : Math.min(last, next), spans, busy]);
    });
  }
  const times = (column: 0 | 1): Float64Array => Float64Array.from(extents, (extent) => extent[column] - origin);
  return {
    events: since(origin, pick(longest, Uint32Array.from(index))),
    marks: {
      depth: new Uint8Array(index.length),
      fromNs: times(0),
      toNs: times(1),
      spans: Uint32Array.from(extents, ([, , spans]) => spans),
      busyNs: Float64Array.from(extents, ([first, last, , busy]) => Math.min(busy, last - first)),
    },
  };
}
