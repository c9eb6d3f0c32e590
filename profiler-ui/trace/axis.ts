/** An axis of a static chart: where values stand, and its marks. */

import type { Axis } from "./figure";
import { formatCount } from "./format";
import { roundStep } from "./ticks";

export interface Scale {
  /** Pixel of a value. */
  place(value: number): number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** Pixels an axis's mark has to itself. */
const TICK_ROOM = 70;

/**
 * Scale that shows all of `values` from pixel `from` to pixel `to`.
 *
 * @param zero The axis begins at 0, as bars do.
 */
export function scaleFor(axis: Axis, values: readonly number[], from: number, to: number, zero: boolean): Scale {
  return axis.type === "log" ? logScale(axis, values, from, to) : linearScale(axis, values, from, to, zero);
}

function linearScale(axis: Axis, values: readonly number[], from: number, to: number, zero: boolean): Scale {
  const low = zero ? 0 : Math.min(...values);
  const high = Math.max(low + Number.EPSILON, ...values) + 0.02 * (Math.max(...values) - low);
  const step = roundStep((high - low) / Math.max(2, Math.floor(Math.abs(to - from) / TICK_ROOM)));
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const first = Math.ceil(low / step);
  const marks = Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, k) => (first + k) * step);
  return {
    place: (value) => from + ((value - low) / (high - low)) * (to - from),
    ticks: marks.map((at) => ({ at, text: label(axis, at, digits) })),
  };
}

function logScale(axis: Axis, values: readonly number[], from: number, to: number): Scale {
  const seen = values.filter((value) => value > 0).map(Math.log10);
  const low = Math.min(...seen) - 0.1;
  const high = Math.max(...seen) + 0.1;
  const every = Math.ceil(((high - low) * TICK_ROOM) / Math.abs(to - from));
  const powers = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, k) => Math.ceil(low) + k);
  const marks = powers.filter((power) => power % every === 0).map((power) => 10 ** power);
  const given = axis.tickvals?.map((at, k) => ({ at, text: axis.ticktext?.[k] ?? "" }));
  return {
    place: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
    ticks: given ?? marks.map((at) => ({ at, text: label(axis, at, Math.max(0, -Math.floor(Math.log10(at)))) })),
  };
}

function label({ exponentformat, ticksuffix = "" }: Axis, value: number, digits: number): string {
  if (value === 0) return "0";
  const text = exponentformat === "SI" && value >= 1000 ? formatCount(value).replace(/\.?0+(?= )/, "") : "";
  return `${text || value.toFixed(digits)}${ticksuffix}`;
}
