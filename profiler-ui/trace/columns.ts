/** Making, picking and joining event columns. */

import type { EventColumns, Numbers, TextColumn } from "./events";
import { commonWidth, widthOf, WIDTHS, type Width } from "./widths";
import { NUMBER_COLUMNS, TEXT_COLUMNS, type NumberColumn } from "./wire-format";

/** Columns with room for `count` events, all zero; texts are shared with `like`, numbers as wide as `widthOf` says. */
export function emptyLike(
  like: EventColumns,
  count: number,
  widthOfColumn: (column: NumberColumn) => Width = (column) => widthOf(like[column]),
): EventColumns {
  const text = ({ texts }: TextColumn): TextColumn => ({ texts, codes: new Uint8Array(count) });
  const numbers = (column: NumberColumn): Numbers => new WIDTHS[widthOfColumn(column)](count);
  return {
    count,
    startNs: new Float64Array(count),
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
    name: text(like.name),
    kind: text(like.kind),
    phase: text(like.phase),
    wireType: text(like.wireType),
    algorithm: text(like.algorithm),
  };
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
