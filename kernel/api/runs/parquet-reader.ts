/** Reads a run's Parquet files as columns. */

import type { DuckDBConnection } from "@duckdb/node-api";

import { cleaned } from "../../../profiler-ui/trace/clean";
import { columnsOf, pick } from "../../../profiler-ui/trace/columns";
import type { EventColumns, Numbers } from "../../../profiler-ui/trace/events";
import { narrowestFor, WIDTHS, type Width } from "../../../profiler-ui/trace/widths";
import { RunError } from "../errors";
import { openDatabase, readColumns, type Database } from "./duckdb";
import { eventFiles } from "./folder";
import { EVENT_SCHEMA, literal, quoted } from "./schema";

/** Texts that a column of codes can tell apart. */
const MAX_TEXTS = 255;

/** Bytes of one: a text of megabytes, which a file holds once, would be part of every answer. */
export const LONGEST_TEXT = 2000;

/** What a database that reads a run may hold: a file of a few kilobytes may unpack to any size. */
const MEMORY = "2GB";

/**
 * Events that are read into memory at once, some 2 GB: a file of a few kilobytes may claim any number. SQL reads the
 * others where they lie.
 */
export const MOST_EVENTS = 24_000_000;

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
  const database = await openDatabase({ memory_limit: MEMORY });
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
  return columnsOf(
    0,
    new Float64Array(0),
    () => new Float64Array(0),
    () => ({ texts: [], codes: new Uint8Array(0) }),
  );
}

const SQL_TYPES: Readonly<Record<Width, string>> = {
  u8: "UTINYINT",
  i8: "TINYINT",
  u16: "USMALLINT",
  i16: "SMALLINT",
  u32: "UINTEGER",
  i32: "INTEGER",
  f64: "DOUBLE",
};

/** What holds any number of a column: a double where that is 64 bits wide. */
const WIDTH_ON_DISK = { BIGINT: "f64", INTEGER: "i32", SMALLINT: "i16", USMALLINT: "u16" } as const;

/** The events of a table or of what stands for one, by start time, each column as narrow as its values. */
export async function readTable({ connection }: Database, source: string): Promise<EventColumns> {
  const count = await countOf(connection, source);
  const widths = await widthsIn(connection, source);
  const texts = await textsIn(connection, source);
  const selected = EVENT_SCHEMA.map(({ column, type, field }) => {
    // A position in a list is looked up once a text of Parquet's dictionary, a cast to an ENUM once a row.
    if (type === "TEXT") return `(list_position([${literals(texts.get(field))}], ${textOf(column)}) - 1)::UTINYINT`;
    return `${numberOf(column, type)}::${SQL_TYPES[widths.get(field) ?? "f64"]}`;
  });
  const arrays = EVENT_SCHEMA.map(({ type, field }) =>
    type === "TEXT" ? new Uint8Array(count) : new WIDTHS[widths.get(field) ?? "f64"](count),
  );
  await readColumns(connection, `SELECT ${selected.join(", ")} FROM ${source}`, arrays);
  const byField = new Map<string, Numbers>(EVENT_SCHEMA.map(({ field }, k) => [field, arrays[k] ?? new Uint8Array(0)]));
  const arrayOf = (field: string): Numbers => byField.get(field) ?? new Uint8Array(0);
  const events = columnsOf(count, new Float64Array(arrayOf("startNs").buffer), arrayOf, (field) => ({
    texts: texts.get(field) ?? [],
    codes: new Uint8Array(arrayOf(field).buffer),
  }));
  return ordered(cleaned(events));
}

/** @throws Error when there are too many */
async function countOf(connection: DuckDBConnection, source: string): Promise<number> {
  const [counted = []] = (await connection.runAndReadAll(`SELECT count(*)::DOUBLE FROM ${source}`)).getRows();
  const count = Number(counted[0]);
  if (count <= MOST_EVENTS) return count;
  throw new Error(`there are ${count}, at most ${MOST_EVENTS} are read at once; SQL answers questions about more`);
}

/** By field the narrowest type of each column of numbers. The files' ends tell it: nothing else is read. */
async function widthsIn(connection: DuckDBConnection, source: string): Promise<ReadonlyMap<string, Width>> {
  const columns = EVENT_SCHEMA.filter((column) => column.type !== "TEXT");
  const asked = columns.map(({ column }) => {
    const [least, most] = [`min(${quoted(column)})`, `max(${quoted(column)})`];
    return `[typeof(${least}), ${least}::VARCHAR, ${most}::VARCHAR]`;
  });
  const [row = []] = (await connection.runAndReadAll(`SELECT ${asked.join(", ")} FROM ${source}`)).getRowsJS();
  const widths = columns.map(({ column, type, field }, k): [string, Width] => {
    const [found, least, most] = row[k] as readonly (string | null)[];
    // What is drawn is searched by start time, for which one type is quickest. A file of others may have fractions.
    if (field === "startNs" || !found?.includes("INT")) return [field, WIDTH_ON_DISK[type]];
    const missing = missingOf(column);
    const [from, to] = [Number(least ?? missing), Number(most ?? missing)];
    return [field, narrowestFor(Math.min(missing, from), Math.max(missing, to))];
  });
  return new Map(widths);
}

/** By field the texts of each column of texts. */
async function textsIn(connection: DuckDBConnection, source: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const columns = EVENT_SCHEMA.filter(({ type }) => type === "TEXT");
  await checkTexts(connection, source);
  const texts = new Map<string, readonly string[]>();
  for (const { column, field } of columns) {
    const found = await connection.runAndReadAll(
      `SELECT DISTINCT ${textOf(column)} FROM ${source} LIMIT ${MAX_TEXTS + 1}`,
    );
    const values = found.getRows().map(([value]) => String(value));
    if (values.length > MAX_TEXTS) throw new Error(`${column} has more than ${MAX_TEXTS} different texts`);
    texts.set(field, values.sort());
  }
  return texts;
}

/** @throws Error when texts are none, or too long */
async function checkTexts(connection: DuckDBConnection, source: string): Promise<void> {
  const columns = EVENT_SCHEMA.filter(({ type }) => type === "TEXT").map(({ column }) => column);
  const types = columns.map((column) => `any_value(typeof(${quoted(column)}))`);
  // What is a list may become a text of any length.
  const [found = []] = (
    await connection.runAndReadAll(`SELECT ${types.join(", ")} FROM (SELECT * FROM ${source} LIMIT 1)`)
  ).getRows();
  const other = found.findIndex((type) => type !== null && !/^(VARCHAR|ENUM\b.*)$/.test(String(type)));
  if (other >= 0) throw new Error(`${columns[other]} is ${String(found[other]).slice(0, 60)}, no text`);
  const lengths = columns.map((column) => `max(strlen(${quoted(column)}))::DOUBLE`);
  const [longest = []] = (await connection.runAndReadAll(`SELECT ${lengths.join(", ")} FROM ${source}`)).getRows();
  const long = longest.findIndex((length) => Number(length) > LONGEST_TEXT);
  if (long >= 0)
    throw new Error(`${columns[long]} has a text of ${Number(longest[long])} bytes, at most ${LONGEST_TEXT} are read`);
}

/** A number as a file may have it; what does not fit the column's type is refused. */
function numberOf(column: string, type: string): string {
  return `coalesce(${quoted(column)}, ${missingOf(column)})::${type === "BIGINT" ? "DOUBLE" : type}`;
}

function missingOf(column: string): number {
  return column === "layer" || column === "seq" ? -1 : 0;
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
