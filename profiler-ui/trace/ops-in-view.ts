/** What ran in a stretch of time, by op. */

import { STEP } from "./kinds";
import type { LaneView } from "./lane-view";
import { firstReaching, isNested, lowerBound } from "./lanes";

export interface OpInView {
  readonly name: string;
  readonly nested: boolean;
  count: number;
  ns: number;
}

/** Spans that reach into [from, to), by op, with the time they spend in it; outermost ops first, the longest first. */
export function opsInView(lanes: readonly LaneView[], from: number, to: number): OpInView[] {
  const ops = new Map<string, OpInView>();
  for (const { events, rows } of lanes) {
    rows.forEach(({ row }, depth) => {
      const counts = new Uint32Array(events.name.texts.length);
      const times = new Float64Array(events.name.texts.length);
      const after = lowerBound(row.start, to);
      for (let k = firstReaching(row, from); k < after; k++) {
        const code = events.name.codes[row.index[k] ?? 0] ?? 0;
        counts[code] = (counts[code] ?? 0) + 1;
        times[code] = (times[code] ?? 0) + Math.min(to, row.end[k] ?? 0) - Math.max(from, row.start[k] ?? 0);
      }
      events.name.texts.forEach((name, code) => {
        const count = counts[code] ?? 0;
        if (count === 0 || name === STEP) return;
        const nested = isNested(events, rows[0]?.row.index, depth);
        const key = `${nested}${name}`;
        const op = ops.get(key) ?? { name, nested, count: 0, ns: 0 };
        op.count += count;
        op.ns += times[code] ?? 0;
        ops.set(key, op);
      });
    });
  }
  return [...ops.values()].sort((a, b) => Number(a.nested) - Number(b.nested) || b.ns - a.ns);
}
