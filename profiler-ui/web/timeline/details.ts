/** The selected span in full; for a collective also why it waited, when each rank came, and what its steps took. */

import { skewOf, transferOf } from "../../trace/collectives";
import { formatTime } from "../../trace/format";
import { lowerBound } from "../../trace/lanes";
import { KIND_COLOURS } from "../../trace/palette";
import { el, figure, swatch } from "../dom";
import { spanRef, type LaneView, type SpanRef } from "../../trace/lane-view";
import type { RankStretch } from "../../trace/look";
import type { OpInView } from "../../trace/ops-in-view";
import { factsOf, kindOf, nameOf } from "./span-facts";

export interface DetailsActions {
  readonly fit: () => void;
  readonly clear: () => void;
  /** Select the previous or next span of the same op. */
  readonly occurrence: (direction: -1 | 1) => void;
}

/** The panel's empty state. `longestWait` shows the collective that ranks waited for longest. */
export function noDetails(longestWait: (() => void) | null): HTMLElement {
  return el(
    "p",
    { class: "muted hint" },
    ...(longestWait
      ? [
          "Why is a rank waiting? ",
          el("button", { type: "button", class: "small", onclick: longestWait }, "Show the longest wait"),
          " ",
        ]
      : []),
    "Click a span for what it did. Wheel zooms, drag pans, ",
    el("kbd", {}, "W"),
    el("kbd", {}, "A"),
    el("kbd", {}, "S"),
    el("kbd", {}, "D"),
    " do both, ",
    el("kbd", {}, "?"),
    " lists the rest.",
  );
}

/** From a collective's first arrival to its last, on the rank that came last: what it did then is why the others waited. */
export function waitOf(linked: readonly SpanRef[]): RankStretch | null {
  const starts = linked.map(startOf);
  const [from, to] = [Math.min(...starts), Math.max(...starts)];
  const late = linked[starts.indexOf(to)]?.lane.rank ?? 0;
  return linked.length > 1 && from < to ? { from, to, firstRank: late, lastRank: late } : null;
}

/** `meanwhile`: what ran in the collective's `waitOf`. */
export function detailsOf(
  span: SpanRef,
  linked: readonly SpanRef[],
  meanwhile: readonly OpInView[],
  actions: DetailsActions,
): HTMLElement {
  const copy = el("button", { type: "button", class: "quiet" }, "Copy link");
  copy.addEventListener("click", () => {
    navigator.clipboard.writeText(location.href).then(
      () => (copy.textContent = "Copied"),
      () => (copy.textContent = "The address bar has the link"),
    );
  });
  return el(
    "div",
    { class: "details-body" },
    el(
      "header",
      {},
      swatch(KIND_COLOURS[kindOf(span)]),
      el("h3", {}, nameOf(span)),
      el("span", { class: "grow" }),
      el(
        "button",
        { type: "button", class: "quiet", title: "Previous of this op ( , )", onclick: () => actions.occurrence(-1) },
        "‹ Previous",
      ),
      el(
        "button",
        { type: "button", class: "quiet", title: "Next of this op ( . )", onclick: () => actions.occurrence(1) },
        "Next ›",
      ),
      el("button", { type: "button", class: "quiet", onclick: actions.fit }, "Zoom to it"),
      copy,
      el("button", { type: "button", class: "quiet", onclick: actions.clear }, "Close"),
    ),
    el(
      "dl",
      { class: "facts" },
      ...factsOf(span).map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
    ),
    ...(linked.length > 1 ? [arrivals(linked, meanwhile)] : []),
  );
}

function startOf({ lane, index }: SpanRef): number {
  return lane.events.startNs[index] ?? 0;
}

/** Per rank: when it came, how long it waited for the last, what the collective's steps took, when it ended. */
function arrivals(linked: readonly SpanRef[], meanwhile: readonly OpInView[]): HTMLElement {
  const rows = linked.map((span) => {
    const { lane, index } = span;
    const start = startOf(span);
    const end = start + (lane.events.durNs[index] ?? 0);
    return { rank: lane.rank, start, end, parts: partsIn(lane, start, end) };
  });
  const parts = [...new Set(rows.flatMap((row) => [...row.parts.keys()]))];
  const firstStart = Math.min(...rows.map(({ start }) => start));
  const lastStart = Math.max(...rows.map(({ start }) => start));
  const end = Math.max(...rows.map((row) => row.end));
  const collective = { spans: [], firstStart, lastStart, end };
  const late = rows.find(({ start }) => start === lastStart);
  return el(
    "div",
    { class: "arrivals", tabindex: "0", role: "region", "aria-label": "Arrivals of the ranks" },
    el(
      "p",
      {},
      `Rank ${late?.rank ?? 0} came last, ${formatTime(skewOf(collective))} after the first${meanwhileText(meanwhile, skewOf(collective))}; from then on the collective took ${formatTime(transferOf(collective))}.`,
    ),
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...["rank", "arrived after", "waited", ...parts, "ended after"].map((text) =>
            el("th", { scope: "col" }, text),
          ),
        ),
      ),
      el(
        "tbody",
        {},
        ...rows.map((row) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, String(row.rank)),
            ...[
              row.start - firstStart,
              lastStart - row.start,
              ...parts.map((part) => row.parts.get(part) ?? 0),
              row.end - firstStart,
            ].map((ns) => el("td", {}, figure(formatTime(ns)))),
          ),
        ),
      ),
    ),
  );
}

/** Parts of a wait below this share explain nothing. */
const TELLING = 0.1;

/** What kept the last rank, the longest first: ops, or the time between them. */
function meanwhileText(ops: readonly OpInView[], waitNs: number): string {
  if (waitNs === 0) return "";
  const outermost = ops.filter(({ nested }) => !nested);
  const idle = { name: "no op", ns: waitNs - outermost.reduce((sum, { ns }) => sum + ns, 0) };
  const parts = [...outermost, idle]
    .sort((a, b) => b.ns - a.ns)
    .filter(({ ns }) => ns >= TELLING * waitNs)
    .slice(0, 3)
    .map(({ name, ns }) => `${name} for ${formatTime(ns)}`);
  return parts.length === 0 ? "" : `: meanwhile it ran ${parts.join(", ")}`;
}

/** Time of each step of a collective on one rank, in the order in which they begin. */
function partsIn(lane: LaneView, start: number, end: number): Map<string, number> {
  const parts = new Map<string, number>();
  const row = lane.rows[1]?.row;
  if (!row) return parts;
  const after = lowerBound(row.start, end);
  for (let k = lowerBound(row.start, start); k < after; k++) {
    const name = nameOf(spanRef(lane, 1, k));
    parts.set(name, (parts.get(name) ?? 0) + (row.end[k] ?? 0) - (row.start[k] ?? 0));
  }
  return parts;
}
