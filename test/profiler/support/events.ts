/** Events by hand: rows in, columns out. */

import type { EventColumns, TextColumn } from "../../../profiler-ui/trace/events";
import { STEP } from "../../../profiler-ui/trace/kinds";

export interface EventRow {
  readonly name: string;
  readonly kind?: string;
  readonly start: number;
  readonly dur: number;
  readonly rank?: number;
  readonly stream?: number;
  readonly phase?: string;
  readonly step?: number;
  readonly request?: number;
  readonly layer?: number;
  readonly tokens?: number;
  readonly flops?: number;
  readonly bytes?: number;
  readonly wireBytes?: number;
  readonly wireType?: string;
  readonly algorithm?: string;
  readonly group?: number;
  readonly seq?: number;
}

const KIND_OF_NAME: Readonly<Record<string, string>> = {
  embed: "copy",
  norm: "norm",
  conv1d: "conv",
  conv1d_update: "conv",
  selective_scan: "scan",
  state_update: "scan",
  sample: "sample",
  quantise: "collective",
  exchange: "collective",
  reduce: "collective",
  dequantise: "collective",
  [STEP]: "host",
};

function kindOf(name: string): string {
  return KIND_OF_NAME[name] ?? (name.startsWith("all_reduce") ? "collective" : "gemm");
}

/** Columns of the rows, sorted by start as a run stores them. */
export function eventsOf(rows: readonly EventRow[]): EventColumns {
  const sorted = [...rows].sort((a, b) => a.start - b.start);
  const numbers = (pick: (row: EventRow) => number): number[] => sorted.map(pick);
  const texts = (pick: (row: EventRow) => string): TextColumn => {
    const all = [...new Set(sorted.map(pick))];
    return { texts: all, codes: Uint8Array.from(sorted, (row) => all.indexOf(pick(row))) };
  };
  return {
    count: sorted.length,
    startNs: Float64Array.from(numbers((row) => row.start)),
    durNs: Float64Array.from(numbers((row) => row.dur)),
    rank: Uint16Array.from(numbers((row) => row.rank ?? 0)),
    stream: Uint16Array.from(
      numbers((row) => row.stream ?? (row.name === STEP ? 2 : kindOf(row.name) === "collective" ? 1 : 0)),
    ),
    name: texts((row) => row.name),
    kind: texts((row) => row.kind ?? kindOf(row.name)),
    phase: texts((row) => row.phase ?? "decode"),
    step: Int32Array.from(numbers((row) => row.step ?? 0)),
    layer: Int16Array.from(numbers((row) => row.layer ?? -1)),
    tokens: Int32Array.from(numbers((row) => row.tokens ?? 1)),
    sequences: Int32Array.from(numbers(() => 1)),
    flops: Float64Array.from(numbers((row) => row.flops ?? 0)),
    bytes: Float64Array.from(numbers((row) => row.bytes ?? 0)),
    wireBytes: Float64Array.from(numbers((row) => row.wireBytes ?? 0)),
    wireType: texts((row) => row.wireType ?? ""),
    algorithm: texts((row) => row.algorithm ?? ""),
    group: Int16Array.from(numbers((row) => row.group ?? (row.seq === undefined ? -1 : 0))),
    seq: Float64Array.from(numbers((row) => row.seq ?? -1)),
    cell: Int32Array.from(numbers(() => -1)),
    request: Int32Array.from(numbers(({ request }) => request ?? 0)),
  };
}
