/** Events as the rest may rely on them: a crafted or damaged file may hold anything. */

import type { EventColumns, Numbers } from "./events";

/** Largest whole number that a double holds exactly; what is beyond counts as this. */
const MOST = Number.MAX_SAFE_INTEGER;

/**
 * The events with times and amounts that are finite and not negative; `seq` from -1. Columns without fault are passed on
 * as they are. Order stays: times below the run's start become the start.
 */
export function cleaned(events: EventColumns): EventColumns {
  return {
    ...events,
    startNs: within(events.startNs, 0),
    durNs: within(events.durNs, 0),
    flops: within(events.flops, 0),
    bytes: within(events.bytes, 0),
    wireBytes: within(events.wireBytes, 0),
    seq: within(events.seq, -1),
  };
}

function within<T extends Numbers>(column: T, least: number): T | Float64Array {
  if (isNatural(column)) return column;
  // NaN fails both comparisons.
  const fits = (value: number): boolean => value >= least && value <= MOST;
  for (const value of column) {
    if (!fits(value)) return Float64Array.from(column, (one) => (fits(one) ? one : one > MOST ? MOST : least));
  }
  return column;
}

/** Whether the column's type holds whole numbers from 0 alone, none of them too large. */
function isNatural(column: Numbers): boolean {
  return column instanceof Uint8Array || column instanceof Uint16Array || column instanceof Uint32Array;
}
