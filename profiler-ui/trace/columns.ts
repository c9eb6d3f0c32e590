/** The columns of events by name; making, picking and joining them. */

import type { EventColumns, Numbers, TextColumn } from "./events";
import { commonWidth, widthOf, WIDTHS, type Width } from "./widths";

/** Columns of numbers, in the order in which they are written. */
export type NumberColumn = Exclude<keyof EventColumns, "count" | TextColumnName>;

/** Columns of texts, written after them as one byte a row. */
export type TextColumnName = "name" | "kind" | "phase" | "wireType" | "algorithm";

/** As wide as a run on disk has them. */
const BYTES: Readonly<Record<NumberColumn, number>> = {
  startNs: 8,
  durNs: 8,
  flops: 8,
  bytes: 8,
  wireBytes: 8,
  seq: 8,
  step: 4,
  tokens: 4,
  sequences: 4,
  cell: 4,
  request: 4,
  layer: 2,
  group: 2,
  rank: 2,
  stream: 2,
};

export const NUMBER_COLUMNS: readonly NumberColumn[] = Object.keys(BYTES) as NumberColumn[];

export const TEXT_COLUMNS: readonly TextColumnName[] = ["name", "kind", "phase", "wireType", "algorithm"];

/** Bytes of one event of a run that was read, less is sent of most. */
export const BYTES_PER_EVENT: number = Object.values(BYTES).reduce((sum, bytes) => sum + bytes, TEXT_COLUMNS.length);

/** Events from their columns, which are asked for in the order of NUMBER_COLUMNS, then of TEXT_COLUMNS. */
export function columnsOf(
  count: number,
  startNs: Float64Array,
  numbers: (column: Exclude<NumberColumn, "startNs">) => Numbers,
  text: (column: TextColumnName) => TextColumn,
): EventColumns {
  return {
    count,
    startNs,
    durNs: numbers("durNs"),
    flops: numbers("flops"),
    bytes: numbers("bytes"),
    wireBytes: numbers("wireBytes"),
    seq: numbers("seq"),
    step: numbers("step"),
    tokens: numbers("tokens"),
    sequences: numbers("sequences"),
    cell: numbers("cell"),
    request: numbers("request"),
    layer: numbers("layer"),
    group: numbers("group"),
    rank: numbers("rank"),
    stream: numbers("stream"),
    name: text("name"),
    kind: text("kind"),
    phase: text("phase"),
    wireType: text("wireType"),
    algorithm: text("algorithm"),
  };
}

/** Columns with room for `count` events, all zero; texts are shared with `like`, numbers as wide as `widthOf` says. */
export function emptyLike(
  like: EventColumns,
  count: number,
  widthOfColumn: (column: NumberColumn) => Width = (column) => widthOf(like[column]),
): EventColumns {
  return columnsOf(
    count,
    new Float64Array(count),
    (column) => new WIDTHS[widthOfColumn(column)](count),
    (column) => ({ texts: like[column].texts, codes: new Uint8Array(count) }),
  );
}

/** The memory that the columns lie in, each block once. */
export function buffersOf(events: EventColumns): ArrayBuffer[] {
  const columns = [...NUMBER_COLUMNS.map((name) => events[name]), ...TEXT_COLUMNS.map((name) => events[name].codes)];
  return [...new Set(columns.map(({ buffer }) => buffer))].filter((buffer) => buffer instanceof ArrayBuffer);
}

/** The lowest rank that has events, Infinity if there are none. */
export function firstRank(events: EventColumns): number {
  let first = Infinity;
  for (let i = 0; i < events.count; i++) first = Math.min(first, events.rank[i] ?? 0);
  return first;
}

/** The events at `index`, in its order. */
export function pick(events: EventColumns, index: Uint32Array): EventColumns {
  const picked = emptyLike(events, index.length);
  for (const column of NUMBER_COLUMNS) gather(events[column], picked[column], index);
  for (const column of TEXT_COLUMNS) gather(events[column].codes, picked[column].codes, index);
  return picked;
}

/** Pieces of one run, whose texts are the same, one after the other. */
export function concatenate(pieces: readonly [EventColumns, ...EventColumns[]]): EventColumns {
  if (pieces.length === 1) return pieces[0];
  const whole = emptyLike(
    pieces[0],
    pieces.reduce((sum, { count }) => sum + count, 0),
    (column) => commonWidth(pieces.map((piece) => piece[column])),
  );
  let offset = 0;
  for (const piece of pieces) {
    for (const column of NUMBER_COLUMNS) whole[column].set(piece[column], offset);
    for (const column of TEXT_COLUMNS) whole[column].codes.set(piece[column].codes, offset);
    offset += piece.count;
  }
  return whole;
}

/** Copies the elements at `index`, bit by bit: arrays of one width are copied as one type, so that each loop compiles well. */
function gather(from: Numbers, to: Numbers, index: Uint32Array): void {
  const as = <T>(type: new (buffer: ArrayBufferLike, offset: number, length: number) => T): [T, T] => [
    new type(from.buffer, from.byteOffset, from.length),
    new type(to.buffer, to.byteOffset, to.length),
  ];
  switch (from.BYTES_PER_ELEMENT) {
    case 8:
      return gatherDoubles(...as(Float64Array), index);
    case 4:
      return gatherWords(...as(Uint32Array), index);
    case 2:
      return gatherShorts(...as(Uint16Array), index);
    default:
      return gatherBytes(...as(Uint8Array), index);
  }
}

function gatherDoubles(from: Float64Array, to: Float64Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherWords(from: Uint32Array, to: Uint32Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherShorts(from: Uint16Array, to: Uint16Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherBytes(from: Uint8Array, to: Uint8Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}
