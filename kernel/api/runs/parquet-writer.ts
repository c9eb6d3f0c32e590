/** Writes recorded spans as Parquet files, one a chunk, each complete or absent. */

import { rename } from "node:fs/promises";
import { join } from "node:path";

import type { SpanColumns, SpanNames } from "../native";
import { CHUNK_ROWS, openDatabase, writeColumn, type Database } from "./duckdb";
import { EVENT_SCHEMA, enumType, literal, PARQUET, quoted } from "./schema";

/**
 * What is added to a model's ranks, its groups of collectives and its steps: several models are kept apart, and a run's
 * steps begin at 0 whatever the engine recorded before.
 */
export interface SpanShift {
  readonly rank: number;
  readonly group: number;
  readonly step: number;
}

/** What a chunk held. */
export interface ChunkTotals {
  readonly events: number;
  readonly durationNs: number;
  /** Time of the ranks' steps, all ranks together. */
  readonly stepNs: number;
}

export class ParquetWriter {
  readonly #database: Database;
  readonly #folder: string;
  #chunks = 0;

  private constructor(database: Database, folder: string) {
    this.#database = database;
    this.#folder = folder;
  }

  static async open(folder: string, names: SpanNames): Promise<ParquetWriter> {
    const database = await openDatabase();
    const columns = EVENT_SCHEMA.map(({ column, type, field }) => {
      return `${quoted(column)} ${type === "TEXT" ? enumType(names[field]) : type} NOT NULL`;
    }).join(", ");
    await database.connection.run(`CREATE TABLE events (${columns})`);
    return new ParquetWriter(database, folder);
  }

  /** Takes drained spans; they are on disk after `flush`. */
  async append(spans: SpanColumns, shift: SpanShift): Promise<void> {
    const { api, connection } = this.#database;
    const appender = await connection.createAppender("events");
    const columns = shifted(spans, shift);
    const types = EVENT_SCHEMA.map((_, column) => appender.columnType(column));
    for (let begin = 0; begin < spans.count; begin += CHUNK_ROWS) {
      const end = Math.min(spans.count, begin + CHUNK_ROWS);
      const chunk = api.DuckDBDataChunk.create(types, end - begin);
      EVENT_SCHEMA.forEach(({ field }, column) => writeColumn(chunk, column, columns[field].subarray(begin, end)));
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
  }

  /**
   * Writes what was appended since the last flush as one file, by start time.
   *
   * @param originNs the host's clock at the run's time 0
   */
  async flush(originNs: bigint): Promise<ChunkTotals> {
    const { connection } = this.#database;
    const sums = `count(*)::DOUBLE, coalesce(max(start_ns + dur_ns) - ${originNs}, 0)::DOUBLE, coalesce(sum(dur_ns) FILTER (name = 'step'), 0)::DOUBLE`;
    const [row = []] = (await connection.runAndReadAll(`SELECT ${sums} FROM events`)).getRows();
    const [events, durationNs, stepNs] = row.map(Number);
    if (events) {
      const path = join(this.#folder, `events-${String(this.#chunks++).padStart(5, "0")}.parquet`);
      const columns = `* REPLACE (start_ns - ${originNs} AS start_ns)`;
      const ordered = `SELECT ${columns} FROM events ORDER BY start_ns, dur_ns DESC`;
      await connection.run(`COPY (${ordered}) TO ${literal(`${path}.tmp`)} (${PARQUET})`);
      await rename(`${path}.tmp`, path);
      await connection.run("TRUNCATE events");
    }
    return { events: events ?? 0, durationNs: durationNs ?? 0, stepNs: stepNs ?? 0 };
  }

  close(): void {
    this.#database.close();
  }
}

function shifted(spans: SpanColumns, shift: SpanShift): SpanColumns {
  if (shift.rank === 0 && shift.group === 0 && shift.step === 0) return spans;
  return {
    ...spans,
    rank: spans.rank.map((rank) => rank + shift.rank),
    group: spans.group.map((group) => (group < 0 ? group : group + shift.group)),
    step: spans.step.map((step) => step + shift.step),
  };
}
