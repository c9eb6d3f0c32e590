/**
 * A process that answers queries, one after another. DuckDB's own limit does not count all memory that a query takes, and some
 * functions cannot be interrupted: what takes too much ends here, with this process, not with the one that asked.
 */

import type { DuckDBConnection } from "@duckdb/node-api";

import { reasonOf } from "../../../profiler-ui/trace/errors";
import { openDatabase, type Database } from "./duckdb";
import { eventFiles } from "./folder";
import { emptyTable, parquetSource } from "./parquet-reader";
import { literal } from "./schema";
import { SQL_MEMORY } from "./sql-memory";

export interface Query {
  readonly folder: string;
  readonly sql: string;
  readonly maxRows: number;
}

export type Reply =
  | { readonly columns: readonly string[] }
  /** Rows as the text of a JSON list. */
  | { readonly rows: string }
  /** `isWorn`: the process should answer no other query. */
  | { readonly truncated: boolean; readonly isWorn: boolean }
  | { readonly refused: string };

const WATCH_MS = 20;

/** Characters of all rows, and of one reply. */
const MOST_TEXT = 64e6;
const REPLY_TEXT = 1e6;

async function answer({ folder, sql, maxRows }: Query): Promise<void> {
  // DuckDB lets queries read its folder for temporary files, so there is none.
  const database = await openDatabase({ temp_directory: "", memory_limit: SQL_MEMORY.database });
  try {
    await exposeEvents(database.connection, folder);
    const truncated = await select(database, sql, maxRows);
    await reply({ truncated, isWorn: process.memoryUsage.rss() > SQL_MEMORY.worn });
  } finally {
    database.close();
  }
}

/** From here on the database reads the run's events and nothing else. */
async function exposeEvents(connection: DuckDBConnection, folder: string): Promise<void> {
  const files = await eventFiles(folder);
  const source = files.length > 0 ? parquetSource(files) : emptyTable();
  await connection.run(`CREATE VIEW events AS SELECT * FROM ${source}`);
  await connection.run(`SET allowed_paths = [${files.map(literal).join(", ")}]`);
  await connection.run("SET enable_external_access = false; SET lock_configuration = true");
}

/** Replies with columns and rows; gives whether there are more. */
async function select({ api, connection }: Database, sql: string, maxRows: number): Promise<boolean> {
  const statement = await connection.prepare(sql);
  const { SELECT, EXPLAIN } = api.StatementType;
  if (statement.statementType !== SELECT && statement.statementType !== EXPLAIN)
    throw new Error("runs are read only: the statement must be a SELECT");
  const result = await statement.stream();
  const columns = result.deduplicatedColumnNames();
  await reply({ columns });
  let [rows, text] = [0, 0];
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    let batch: string[] = [];
    let length = 0;
    for (let i = 0; i < chunk.rowCount; i++) {
      if (rows++ === maxRows) return reply({ rows: `[${batch.join(",")}]` }).then(() => true);
      const values = chunk.convertRowValues(i, api.JSDuckDBValueConverter);
      const row = JSON.stringify(Object.fromEntries(columns.map((name, k) => [name, plain(values[k])])));
      batch.push(row);
      length += row.length;
      text += row.length;
      if (text > MOST_TEXT) throw new Error(`the answer is longer than ${MOST_TEXT / 1e6} MB; select less of it`);
      if (length < REPLY_TEXT) continue;
      await reply({ rows: `[${batch.join(",")}]` });
      [batch, length] = [[], 0];
    }
    await reply({ rows: `[${batch.join(",")}]` });
  }
  return false;
}

/** As JSON knows values: what DuckDB has beside them, such as intervals and blobs, becomes its text. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return plainInteger(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? plainInteger(inner) : inner));
}

function plainInteger(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

/** Resolves when the reply is on its way, so that replies do not gather here. */
function reply(message: Reply): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, {}, (error) => (error ? reject(error) : resolve()));
  });
}

const end = (): void => void process.kill(process.pid, "SIGKILL"); // a query under way would hold up an exit

process.on("disconnect", end);
process.on("SIGINT", () => undefined); // a terminal's is for the process that asks
setInterval(() => process.memoryUsage.rss() > SQL_MEMORY.most && end(), WATCH_MS);
process.on("message", (query: Query) => {
  answer(query).catch((error: unknown) => {
    // DuckDB quotes what it cannot read, however long that is.
    const refused = reasonOf(error).slice(0, 2000);
    return reply({ refused }).catch(end);
  });
});
