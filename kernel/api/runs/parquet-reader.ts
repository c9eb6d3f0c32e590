/** Reads a run's Parquet files as columns. */

import { cleaned } from "../../../profiler-ui/trace/clean";
import type { EventColumns, TextColumn } from "../../../profiler-ui/trace/events";
import { RunError } from "../errors";
import { openDatabase, readColumn, type ColumnArray, type Database } from "./duckdb";
import { eventFiles } from "./folder";
import { EVENT_SCHEMA, enumType, literal, quoted } from "./schema";

/** Texts that a column of codes can tell apart. */
const MAX_TEXTS = 255;

/**
 * Events that are read into memory at once, some 2 GB: a file of a few kilobytes may claim any number. SQL reads the
 * others where they lie.
 */
const MOST_EVENTS = 24_000_000;

/**
 * All events of a run by start time, an enclosing span before those inside it.
 *
 * @throws RunError `E_RUN_UNREADABLE`
 */
export async function readEvents(folder: string): Promise<EventColumns> {
  const files = await eventFiles(folder);
  if (files.length === 0) return emptyEvents();
  const database = await openDatabase();
  try {
    return cleaned(await readAll(database, parquetSource(files)));
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n", 1)[0] : String(error);
    throw new RunError(
      "E_RUN_UNREADABLE",
      `the events in ${folder} cannot be read: ${reason}`,
      { folder },
      { cause: error },
    );
  } finally {
    database.close();
  }
}

/** What SQL reads a run's events from. */
export function parquetSource(files: readonly string[]): string {
  return `read_parquet([${files.map(literal).join(", ")}])`;
}

/** The same for a run that has no events. */
export function emptyTable(): string {
  const columns = EVENT_SCHEMA.map(({ column, type }) => `NULL::${type} AS ${quoted(column)}`);
  return `(SELECT ${columns.join(", ")} WHERE false)`;
}

export function emptyEvents(): EventColumns {
  return assemble(
    0,
    (type) => allocate(type, 0),
    () => [],
  );
}

async function readAll({ connection }: Database, source: string): Promise<EventColumns> {
  const [counted = []] = (await connection.runAndReadAll(`SELECT count(*)::DOUBLE FROM ${source}`)).getRows();
  const count = Number(counted[0]);
  if (count > MOST_EVENTS)
    throw new Error(`there are ${count}, at most ${MOST_EVENTS} are read at once; SQL answers questions about more`);
  const texts = new Map<string, string[]>();
  const selected: string[] = [];
  for (const { column, type, field } of EVENT_SCHEMA) {
    const name = quoted(column);
    if (type === "TEXT") {
      const found = await connection.runAndReadAll(
        `SELECT DISTINCT coalesce(${name}::VARCHAR, '') FROM ${source} ORDER BY 1`,
      );
      const values = found.getRows().map(([text]) => String(text));
      if (values.length > MAX_TEXTS)
        throw new Error(`${column} has ${values.length} different texts, at most ${MAX_TEXTS} are read`);
      texts.set(field, values);
      selected.push(`coalesce(${name}::VARCHAR, '')::${enumType(values.length > 0 ? values : [""])}`);
    } else {
      const missing = column === "layer" || column === "seq" ? -1 : 0;
      selected.push(`coalesce(${name}, ${missing})::${type === "BIGINT" ? "DOUBLE" : type}`);
    }
  }
  const arrays = EVENT_SCHEMA.map(({ type }) => allocate(type, count));
  const result = await connection.stream(`SELECT ${selected.join(", ")} FROM ${source} ORDER BY start_ns, dur_ns DESC`);
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const [column, array] of arrays.entries()) readColumn(chunk, column, array, rows);
    rows += chunk.rowCount;
  }
  return assemble(
    count,
    (_, column) => arrays[column] ?? new Uint8Array(0),
    (field) => texts.get(field) ?? [],
  );
}

function allocate(type: (typeof EVENT_SCHEMA)[number]["type"], count: number): ColumnArray {
  switch (type) {
    case "BIGINT":
      return new Float64Array(count);
    case "INTEGER":
      return new Int32Array(count);
    case "SMALLINT":
      return new Int16Array(count);
    case "USMALLINT":
      return new Uint16Array(count);
    case "TEXT":
      return new Uint8Array(count);
  }
}

function assemble(
  count: number,
  arrayOf: (type: (typeof EVENT_SCHEMA)[number]["type"], column: number) => ColumnArray,
  textsOf: (field: string) => string[],
): EventColumns {
  const columns: Record<string, ColumnArray | TextColumn | number> = { count };
  EVENT_SCHEMA.forEach(({ type, field }, column) => {
    const array = arrayOf(type, column);
    columns[field] = type === "TEXT" ? { texts: textsOf(field), codes: array as Uint8Array } : array;
  });
  return columns as unknown as EventColumns;
}
