/** SQL on a run: the view `events` over its Parquet files, read only, bounded in rows, time and memory. */

import { cellHost, drawable } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { abortSignal, checkOptions, integer, invalid, nonEmptyText } from "../options";
import { answerQuery } from "./sql-processes";

export interface SqlOptions {
  /** 10 000 unless given. */
  readonly maxRows?: number;
  /** A query that takes longer is ended; a minute unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface SqlResult {
  readonly columns: readonly string[];
  /** Integers of 64 bits are numbers where a double holds them, else texts. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** There are more rows than `maxRows`. */
  readonly truncated: boolean;
}

/** Rows that a drawn result shows. */
const SHOWN_ROWS = 40;

/**
 * Interrupting the cell that asks ends the query, too.
 *
 * @throws RunError `E_SQL`, `E_SQL_TOO_LONG`, `E_SQL_TOO_LARGE`; AbortedError `E_ABORTED`
 * @example
 * await runSql(folder, "SELECT name, sum(dur_ns) / 1e6 AS ms FROM events GROUP BY name ORDER BY ms DESC");
 */
export async function runSql(folder: string, sql: string, options?: SqlOptions): Promise<SqlResult> {
  if (!nonEmptyText.accepts(sql)) invalid("sql", nonEmptyText.expected, sql);
  const {
    maxRows = 10_000,
    timeoutMs = 60_000,
    signal,
  } = checkOptions("sql", options, { maxRows: integer(1), timeoutMs: integer(1, 2 ** 31 - 1), signal: abortSignal });
  const signals = [signal, cellHost()?.signal].filter((one) => one !== undefined);
  return draw(await answerQuery({ folder, sql, maxRows }, timeoutMs, AbortSignal.any(signals)));
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
