/** A selected area, a stretch of time on some ranks, and what ran in it. */

import { formatCount, formatTime } from "../../trace/format";
import { el } from "../dom";
import type { RankStretch } from "../../trace/look";
import type { OpInView } from "../../trace/ops-in-view";
import { windowTable } from "./visible-table";

export type Area = RankStretch;

export interface AreaActions {
  readonly fit: () => void;
  readonly clear: () => void;
}

/** `ranks`: how many of the run's lie in it. */
export function areaDetails(ops: readonly OpInView[], ranks: number, area: Area, actions: AreaActions): HTMLElement {
  const { from, to, firstRank, lastRank } = area;
  const spans = ops.reduce((sum, { count }) => sum + count, 0);
  const who = ranks === 1 ? `rank ${firstRank}` : `ranks ${firstRank} to ${lastRank}`;
  const length = formatTime(to - from);
  const caption = `${formatTime(from)} to ${formatTime(to)}, ${formatCount(spans)} ${spans === 1 ? "span" : "spans"}. Time counts what lies inside; shares are of ${ranks} × ${length}.`;
  return el(
    "div",
    { class: "details-body" },
    el(
      "header",
      {},
      el("h3", {}, `${formatTime(to - from)} on ${who}`),
      el("span", { class: "grow" }),
      el("button", { type: "button", class: "quiet", onclick: actions.fit }, "Zoom to it"),
      el("button", { type: "button", class: "quiet", onclick: actions.clear }, "Close"),
    ),
    el(
      "div",
      { class: "arrivals", tabindex: "0", role: "region", "aria-label": "Ops in the selected area" },
      windowTable(ops, ranks, to - from, caption),
    ),
  );
}
