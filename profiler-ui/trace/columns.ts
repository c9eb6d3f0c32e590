/** Making, picking and joining event columns. */

import type { EventColumns, TextColumn } from "./events";
import { NUMBER_COLUMNS, TEXT_COLUMNS } from "./wire-format";

/** Columns with room for `count` events, all zero; texts are shared with `like`. */
export function emptyLike(like: EventColumns, count: number): EventColumns {
  const text = ({ texts }: TextColumn): TextColumn => ({ texts, codes: new Uint8Array(count) });
  return {
    count,
    startNs: new Float64Array(count),
    durNs: new Float64Array(count),
    flops: new Float64Array(count),
    bytes: new Float64Array(count),
    wireBytes: new Float64Array(count),
    seq: new Float64Array(count),
    step: new Int32Array(count),
    tokens: new Int32Array(count),
    sequences: new Int32Array(count),
    cell: new Int32Array(count),
    request: new Int32Array(count),
    layer: new Int16Array(count),
    group: new Int16Array(count),
    rank: new Uint16Array(count),
    stream: new Uint16Array(count),
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
  );
  let offset = 0;
  for (const piece of pieces) {
    for (const column of NUMBER_COLUMNS) whole[column].set(piece[column], offset);
    for (const column of TEXT_COLUMNS) whole[column].codes.set(piece[column].codes, offset);
    offset += piece.count;
  }
  return whole;
}

/** Copies the elements at `index`; arrays of one width are copied as one type, so that each loop compiles well. */
function gather(from: ArrayBufferView, to: ArrayBufferView, index: Uint32Array): void {
  if (from instanceof Float64Array && to instanceof Float64Array) gatherDoubles(from, to, index);
  else if (from instanceof Int32Array && to instanceof Int32Array) gatherWords(from, to, index);
  else if (from instanceof Uint8Array && to instanceof Uint8Array) gatherBytes(from, to, index);
  else gatherShorts(shorts(from), shorts(to), index);
}

function shorts(column: ArrayBufferView): Uint16Array {
  return new Uint16Array(column.buffer, column.byteOffset, column.byteLength / 2);
}

function gatherDoubles(from: Float64Array, to: Float64Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherWords(from: Int32Array, to: Int32Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherShorts(from: Uint16Array, to: Uint16Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}

function gatherBytes(from: Uint8Array, to: Uint8Array, index: Uint32Array): void {
  for (let k = 0; k < index.length; k++) to[k] = from[index[k] ?? 0] ?? 0;
}
