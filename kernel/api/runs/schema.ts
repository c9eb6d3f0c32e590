/** Columns of the events on disk (design 3.4), and what they are in memory. */

import type { EventColumns } from "../../../profiler-ui/trace/events";
import type { SpanColumns, SpanNames } from "../native";

interface NumberColumn {
  readonly column: string;
  /** On disk. */
  readonly type: "BIGINT" | "INTEGER" | "SMALLINT" | "USMALLINT";
  readonly field: Exclude<keyof SpanColumns & keyof EventColumns, keyof SpanNames | "count">;
}

interface TextColumn {
  readonly column: string;
  readonly type: "TEXT";
  readonly field: keyof SpanNames;
}

/** In the order of the file. Texts are dictionaries there. */
export const EVENT_SCHEMA: readonly (NumberColumn | TextColumn)[] = [
  { column: "start_ns", type: "BIGINT", field: "startNs" },
  { column: "dur_ns", type: "BIGINT", field: "durNs" },
  { column: "rank", type: "USMALLINT", field: "rank" },
  { column: "stream", type: "USMALLINT", field: "stream" },
  { column: "name", type: "TEXT", field: "name" },
  { column: "kind", type: "TEXT", field: "kind" },
  { column: "phase", type: "TEXT", field: "phase" },
  { column: "step", type: "INTEGER", field: "step" },
  { column: "layer", type: "SMALLINT", field: "layer" },
  { column: "tokens", type: "INTEGER", field: "tokens" },
  { column: "sequences", type: "INTEGER", field: "sequences" },
  { column: "flops", type: "BIGINT", field: "flops" },
  { column: "bytes", type: "BIGINT", field: "bytes" },
  { column: "wire_bytes", type: "BIGINT", field: "wireBytes" },
  { column: "wire_type", type: "TEXT", field: "wireType" },
  { column: "algorithm", type: "TEXT", field: "algorithm" },
  { column: "group", type: "SMALLINT", field: "group" },
  { column: "seq", type: "BIGINT", field: "seq" },
  { column: "cell", type: "INTEGER", field: "cell" },
  { column: "request", type: "INTEGER", field: "request" },
];

/** How DuckDB writes them. Version 2's delta encoding makes a run an eighth as large, and is quicker. */
export const PARQUET = "FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd";

/** A name as SQL spells it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL spells it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The SQL type whose values are `texts`, stored as their positions. */
export function enumType(texts: readonly string[]): string {
  return `ENUM(${texts.map(literal).join(", ")})`;
}
