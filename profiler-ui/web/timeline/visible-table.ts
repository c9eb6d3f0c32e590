/** What is on the screen as a table: the timeline for those who read it, and the sums of any window. */

import { formatCount, formatShare, formatTime } from "../../trace/format";
import { STEP } from "../../trace/kinds";
import { isNested, lowerBound, upperBound } from "../../trace/lanes";
import { el, figure } from "../dom";
import type { LaneView } from "./lane-view";
import type { View } from "./view";

export interface OpInView {
  readonly name: string;
  readonly nested: boolean;
  count: number;
  ns: number;
}

/** Spans that reach into `view`, by op, with the time they spend in it; outermost ops first, the longest first. */
export function opsInView(lanes: readonly LaneView[], { from, to }: View): OpInView[] {
  const ops = new Map<string, OpInView>();
  for (const { events, rows } of lanes) {
    rows.forEach(({ row }, depth) => {
      const counts = new Uint32Array(events.name.texts.length);
      const times = new Float64Array(events.name.texts.length);
      const after = lowerBound(row.start, to);
      for (let k = upperBound(row.end, from); k < after; k++) {
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

/** Ops with their spans and time in a window of `ranks` × `ns`. */
export function windowTable(ops: readonly OpInView[], ranks: number, ns: number, caption: string): HTMLElement {
  const heads = ["op", "spans", "time", "mean", "share"];
  return el(
    "table",
    { class: "numbers" },
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)))),
    el(
      "tbody",
      {},
      ...ops.map((op) =>
        el(
          "tr",
          op.nested ? { class: "nested" } : {},
          el("th", { scope: "row" }, op.name),
          el("td", {}, figure(formatCount(op.count))),
          el("td", {}, figure(formatTime(op.ns))),
          el("td", {}, figure(formatTime(op.ns / op.count))),
          el("td", {}, figure(formatShare(op.ns / Math.max(1, ranks * ns)))),
        ),
      ),
    ),
  );
}

export function visibleTable(lanes: readonly LaneView[], view: View): HTMLElement {
  const ranks = new Set(lanes.map(({ rank }) => rank)).size;
  const [from, to] = [formatTime(view.from), formatTime(view.to)];
  const length = view.to - view.from;
  const caption = `${from} to ${to}, all ranks together; time is time in view, shares are of ${ranks} × ${formatTime(length)}`;
  return windowTable(opsInView(lanes, view), ranks, length, caption);
}
