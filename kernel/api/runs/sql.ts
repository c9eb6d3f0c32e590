/** SQL on a run: the view `events` over its Parquet files, read only, bounded in rows, ended by a signal. */

import { drawable } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { aborted, RunError } from "../errors";
import { abortSignal, checkOptions, integer, invalid, nonEmptyText } from "../options";
import { openDatabase, type Database } from "./duckdb";
import { eventFiles } from "./folder";
import { emptyTable, parquetSource } from "./parquet-reader";
import { literal } from "./schema";

export interface SqlOptions {
  /** 10 000 unless given. */
  readonly maxRows?: number;
  readonly signal?: AbortSignal;
}

export interface SqlResult {
  readonly columns: readonly string[];
  /** Integers of 64 bits are numbers where a double holds them, else texts. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** There are more rows than `maxRows`. */
  readonly truncated: boolean;
}

/** What a query may hold in memory. */
const MEMORY = "2GB";

/** Rows that a drawn result shows. */
const SHOWN_ROWS = 40;

/**
 * @throws RunError `E_SQL`; AbortedError `E_ABORTED`
 * @example
 * await runSql(folder, "SELECT name, sum(dur_ns) / 1e6 AS ms FROM events GROUP BY name ORDER BY ms DESC");
 */
export async function runSql(folder: string, text: string, options?: SqlOptions): Promise<SqlResult> {
  if (!nonEmptyText.accepts(text)) invalid("sql", nonEmptyText.expected, text);
  const { maxRows = 10_000, signal } = checkOptions("sql", options, { maxRows: integer(1), signal: abortSignal });
  if (signal?.aborted) throw aborted("sql", signal);
  // DuckDB lets queries read its folder for temporary files, so there is none.
  const database = await openDatabase({ temp_directory: "", memory_limit: MEMORY });
  const interrupt = (): void => database.connection.interrupt();
  try {
    await exposeEvents(database, folder);
    signal?.addEventListener("abort", interrupt);
    return draw(await query(database, text, maxRows));
  } catch (error) {
    if (signal?.aborted) throw aborted("sql", signal);
    if (error instanceof RunError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError("E_SQL", `SQL failed: ${reason}`, { sql: text }, { cause: error });
  } finally {
    signal?.removeEventListener("abort", interrupt);
    database.close();
  }
}

/** From here on the database reads the run's folder and nothing else. */
async function exposeEvents({ connection }: Database, folder: string): Promise<void> {
  const files = await eventFiles(folder);
  const source = files.length > 0 ? parquetSource(files) : emptyTable();
  await connection.run(`CREATE VIEW events AS SELECT * FROM ${source}`);
  await connection.run(`SET allowed_directories = [${literal(`${folder}/`)}]`);
  await connection.run("SET enable_external_access = false; SET lock_configuration = true");
}

async function query({ api, connection }: Database, text: string, maxRows: number): Promise<SqlResult> {
  const statement = await connection.prepare(text);
  const { SELECT, EXPLAIN } = api.StatementType;
  if (statement.statementType !== SELECT && statement.statementType !== EXPLAIN) {
    throw new RunError("E_SQL", "runs are read only: the statement must be a SELECT", { sql: text });
  }
  const reader = await statement.streamAndReadUntil(maxRows + 1);
  const rows = reader.getRowObjectsJS().slice(0, maxRows).map(plain);
  return { columns: reader.columnNames(), rows, truncated: reader.currentRowCount > maxRows };
}

function plain(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]));
}

/** As JSON knows values: what DuckDB has beside them, such as intervals and blobs, becomes its text. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return plainInteger(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainValue);
  if (Object.getPrototypeOf(value) === Object.prototype) return plain(value as Record<string, unknown>);
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? plainInteger(inner) : inner));
}

function plainInteger(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function draw(result: SqlResult): SqlResult {
  const { columns, rows, truncated } = result;
  const more = truncated ? "more rows than asked for" : `${rows.length} rows`;
  const table: Table = {
    columns: columns.map((title) => ({ title, align: typeof rows[0]?.[title] === "number" ? "right" : "left" })),
    rows: rows.slice(0, SHOWN_ROWS).map((row) => columns.map((name) => cellText(row[name]))),
    note: rows.length > SHOWN_ROWS || truncated ? `${SHOWN_ROWS} of ${more}` : more,
  };
  return drawable(result, () => ({ "text/plain": textTable(table), "text/html": htmlTable(table) }));
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}
