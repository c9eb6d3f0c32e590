/**
 * DuckDB, loaded when first needed (it takes a quarter of a second), and its columns as typed arrays.
 *
 * A data chunk of 2048 rows holds each column in one block of memory. Copying whole blocks in and out costs about 0.1 µs
 * a row of an event; setting values one by one costs a hundred times that.
 */

import { tmpdir } from "node:os";

import type * as DuckDB from "@duckdb/node-api";
import type { DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from "@duckdb/node-api";

export type ColumnArray =
  BigInt64Array | Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

/** Rows of a data chunk. */
export const CHUNK_ROWS = 2048;

/** A database in memory of its own, and a connection to it. */
export interface Database {
  readonly api: typeof DuckDB;
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  close(): void;
}

export async function openDatabase(settings: Readonly<Record<string, string>> = {}): Promise<Database> {
  const api = await import("@duckdb/node-api");
  const instance = await api.DuckDBInstance.create(":memory:", { temp_directory: tmpdir(), ...settings });
  const connection = await instance.connect();
  return {
    api,
    instance,
    connection,
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** Copies `values` into a column of a chunk whose row count is theirs. */
export function writeColumn(chunk: DuckDBDataChunk, column: number, values: ColumnArray): void {
  const vector = chunk.getColumnVector(column);
  (memoryOf(vector) as { set(values: ColumnArray): void }).set(values);
  vector.flush();
}

/** Copies what a query gives into `columns`: these have its columns' types and room for its rows. */
export async function readColumns(
  connection: DuckDBConnection,
  query: string,
  columns: readonly ColumnArray[],
): Promise<void> {
  const result = await connection.stream(query);
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const [column, target] of columns.entries()) readColumn(chunk, column, target, rows);
    rows += chunk.rowCount;
  }
}

/** Copies a column of a chunk to `target` from `offset` on. */
function readColumn(chunk: DuckDBDataChunk, column: number, target: ColumnArray, offset: number): void {
  const memory = memoryOf(chunk.getColumnVector(column));
  if (memory.constructor.name !== target.constructor.name) {
    throw new TypeError(`column ${column} is a ${memory.constructor.name}, expected a ${target.constructor.name}`);
  }
  (target as { set(values: ColumnArray, offset: number): void }).set(memory, offset);
}

/** The vector's values lie in `items`, which its declarations call private. */
function memoryOf(vector: object): ColumnArray {
  const { items } = vector as { readonly items?: ColumnArray };
  if (items && ArrayBuffer.isView(items)) return items;
  throw new TypeError(`a ${vector.constructor.name} has no block of values; @duckdb/node-api has changed`);
}
