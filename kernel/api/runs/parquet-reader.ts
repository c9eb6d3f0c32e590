/** Reads a run's Parquet files as columns. */

import { cleaned } from "../../../profiler-ui/trace/clean";
import { pick } from "../../../profiler-ui/trace/columns";
import type { EventColumns, TextColumn } from "../../../profiler-ui/trace/events";
import { RunError } from "../errors";
import { openDatabase, readColumn, type ColumnArray, type Database } from "./duckdb";
import { eventFiles } from "./folder";
import { EVENT_SCHEMA, literal, quoted } from "./schema";

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
  return withDatabase(folder, (database) => readTable(database, parquetSource(files)));
}

/** @throws RunError `E_RUN_UNREADABLE` for whatever `read` throws */
export async function withDatabase<T>(folder: string, read: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase();
  try {
    return await read(database);
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

/** The events of a table or of what stands for one, by start time. */
export async function readTable({ connection }: Database, source: string): Promise<EventColumns> {
  const [counted = []] = (await connection.runAndReadAll(`SELECT count(*)::DOUBLE FROM ${source}`)).getRows();
  const count = Number(counted[0]);
  if (count > MOST_EVENTS)
    throw new Error(`there are ${count}, at most ${MOST_EVENTS} are read at once; SQL answers questions about more`);
  const textColumns = EVENT_SCHEMA.filter(({ type }) => type === "TEXT");
  const distinct = textColumns.map(({ column }) => `list_sort(list(DISTINCT ${textOf(column)}))`);
  const [lists = []] = (await connection.runAndReadAll(`SELECT ${distinct.join(", ")} FROM ${source}`)).getRowsJS();
  const texts = new Map<string, string[]>();
  for (const [k, { column, field }] of textColumns.entries()) {
    const values = (lists[k] as readonly string[] | null | undefined) ?? [];
    if (values.length > MAX_TEXTS)
      throw new Error(`${column} has ${values.length} different texts, at most ${MAX_TEXTS} are read`);
    texts.set(field, [...values]);
  }
  const selected = EVENT_SCHEMA.map(({ column, type, field }) => {
    // A position in a list is looked up once a text of Parquet's dictionary, a cast to an ENUM once a row.
    if (type === "TEXT") return `(list_position([${literals(texts.get(field))}], ${textOf(column)}) - 1)::UTINYINT`;
    const missing = column === "layer" || column === "seq" ? -1 : 0;
    return `coalesce(${quoted(column)}, ${missing})::${type === "BIGINT" ? "DOUBLE" : type}`;
  });
  const arrays = EVENT_SCHEMA.map(({ type }) => allocate(type, count));
  const result = await connection.stream(`SELECT ${selected.join(", ")} FROM ${source}`);
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const [column, array] of arrays.entries()) readColumn(chunk, column, array, rows);
    rows += chunk.rowCount;
  }
  const events = assemble(
    count,
    (_, column) => arrays[column] ?? new Uint8Array(0),
    (field) => texts.get(field) ?? [],
  );
  return ordered(cleaned(events));
}

function textOf(column: string): string {
  return `coalesce(${quoted(column)}::VARCHAR, '')`;
}

function literals(texts: readonly string[] = []): string {
  return texts.map(literal).join(", ");
}

/** Each file is written in order, so that this is the joining of a few runs at most, which is what the engine's sort is quick at. */
function ordered(events: EventColumns): EventColumns {
  const { count, startNs, durNs } = events;
  const before = (a: number, b: number): number =>
    (startNs[a] ?? 0) - (startNs[b] ?? 0) || (durNs[b] ?? 0) - (durNs[a] ?? 0);
  let i = 1;
  while (i < count && before(i - 1, i) <= 0) i++;
  if (i >= count) return events;
  const index = Array.from({ length: count }, (_, k) => k).sort(before);
  return pick(events, Uint32Array.from(index));
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
