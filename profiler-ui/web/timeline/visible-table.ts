/** What is on the screen as a table: the timeline for those who read it, and the sums of any window. */

import { formatCount, formatShare, formatTime } from "../../trace/format";
import { el, figure } from "../dom";
import type { OpInView } from "../../trace/ops-in-view";
import type { View } from "./view";

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

export function visibleTable(ops: readonly OpInView[], ranks: number, view: View): HTMLElement {
  const [from, to] = [formatTime(view.from), formatTime(view.to)];
  const length = view.to - view.from;
  const caption = `${from} to ${to}, all ranks together; time is time in view, shares are of ${ranks} × ${formatTime(length)}`;
  return windowTable(ops, ranks, length, caption);
}
