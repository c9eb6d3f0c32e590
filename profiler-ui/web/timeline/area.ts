/** A selected area, a stretch of time on some ranks, and what ran in it. */

import { formatCount, formatShare, formatTime } from "../../trace/format";
import { el, figure } from "../dom";
import type { LaneView } from "./lane-view";
import type { View } from "./view";
import { opsInView } from "./visible-table";

export interface Area extends View {
  readonly firstRank: number;
  readonly lastRank: number;
}

export interface AreaActions {
  readonly fit: () => void;
  readonly clear: () => void;
}

export function areaDetails(lanes: readonly LaneView[], area: Area, actions: AreaActions): HTMLElement {
  const { from, to, firstRank, lastRank } = area;
  const inside = lanes.filter(({ rank }) => rank >= firstRank && rank <= lastRank);
  const ops = opsInView(inside, area);
  const ranks = new Set(inside.map(({ rank }) => rank)).size;
  const spans = ops.reduce((sum, { count }) => sum + count, 0);
  const who = ranks === 1 ? `rank ${firstRank}` : `ranks ${firstRank} to ${lastRank}`;
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
      "p",
      { class: "muted" },
      `${formatTime(from)} to ${formatTime(to)}, ${formatCount(spans)} spans. Time counts what lies inside; shares are of ${ranks} × ${formatTime(to - from)}.`,
    ),
    el(
      "div",
      { class: "arrivals", tabindex: "0", role: "region", "aria-label": "Ops in the selected area" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el("tr", {}, ...["op", "spans", "time", "mean", "share"].map((text) => el("th", { scope: "col" }, text))),
        ),
        el(
          "tbody",
          {},
          ...ops.map(({ name, nested, count, ns }) =>
            el(
              "tr",
              nested ? { class: "nested" } : {},
              el("th", { scope: "row" }, name),
              el("td", {}, figure(formatCount(count))),
              el("td", {}, figure(formatTime(ns))),
              el("td", {}, figure(formatTime(ns / count))),
              el("td", {}, figure(formatShare(ns / Math.max(1, ranks * (to - from))))),
            ),
          ),
        ),
      ),
    ),
  );
}
