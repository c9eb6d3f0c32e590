/** Columns as narrow as their values allow: most of what is recorded of a span are small whole numbers. */

import type { Numbers } from "./events";

/** Types of columns by the names that they have in headers, the narrowest first. */
export const WIDTHS: {
  readonly u8: Uint8ArrayConstructor;
  readonly i8: Int8ArrayConstructor;
  readonly u16: Uint16ArrayConstructor;
  readonly i16: Int16ArrayConstructor;
  readonly u32: Uint32ArrayConstructor;
  readonly i32: Int32ArrayConstructor;
  readonly f64: Float64ArrayConstructor;
} = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f64: Float64Array,
};

export type Width = keyof typeof WIDTHS;

const RANGES: readonly (readonly [width: Width, least: number, most: number])[] = [
  ["u8", 0, 2 ** 8 - 1],
  ["i8", -(2 ** 7), 2 ** 7 - 1],
  ["u16", 0, 2 ** 16 - 1],
  ["i16", -(2 ** 15), 2 ** 15 - 1],
  ["u32", 0, 2 ** 32 - 1],
  ["i32", -(2 ** 31), 2 ** 31 - 1],
  ["f64", -Infinity, Infinity],
];

export function widthOf(column: Numbers): Width {
  const known = RANGES.find(([width]) => column instanceof WIDTHS[width]);
  return known?.[0] ?? "f64";
}

/** The narrowest type of the numbers from `least` to `most`; whole ones, where they are few enough for that. */
export function narrowestFor(least: number, most: number): Width {
  return RANGES.find(([, from, to]) => from <= least && most <= to)?.[0] ?? "f64";
}

/** The narrowest type that holds what any of `columns` may hold. */
export function commonWidth(columns: readonly Numbers[]): Width {
  const ranges = RANGES.filter(([width]) => columns.some((column) => column instanceof WIDTHS[width]));
  return narrowestFor(Math.min(...ranges.map(([, least]) => least)), Math.max(...ranges.map(([, , most]) => most)));
}

/** The same numbers in the narrowest type that holds them all. */
export function narrowed(column: Numbers): Numbers {
  if (column instanceof Uint8Array) return column;
  let least = 0;
  let most = 0;
  for (let i = 0; i < column.length; i++) {
    const value = column[i] ?? 0;
    // NaN is no whole number either.
    if (Math.trunc(value) !== value) return column;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const width = narrowestFor(least, most);
  return width === widthOf(column) ? column : WIDTHS[width].from(column);
}
