/** The few numbers on top of a page. */

import { formatChange } from "../trace/format";
import { el, figure } from "./dom";

export interface Stat {
  readonly label: string;
  readonly title?: string;
  readonly value: string;
}

export function statRow(stats: readonly Stat[]): HTMLElement {
  return el(
    "dl",
    { class: "stats" },
    ...stats.map(({ label, title, value }) =>
      el("div", title ? { title } : {}, el("dt", {}, label), el("dd", {}, figure(value))),
    ),
  );
}

/** A number in two runs. */
export interface PairStat {
  readonly label: string;
  readonly title?: string;
  readonly a: number;
  readonly b: number;
  readonly format: (value: number) => string;
  readonly better: "lower" | "higher";
  /** False where the difference may be chance: it is shown without being called a gain or a loss. */
  readonly sure?: boolean;
}

export function pairRow(stats: readonly PairStat[]): HTMLElement {
  return el(
    "dl",
    { class: "stats pairs" },
    ...stats.map(({ label, title, a, b, format, better, sure = true }) =>
      el(
        "div",
        title ? { title } : {},
        el("dt", {}, label),
        el("dd", {}, ...pairFigures(format(a), format(b))),
        el("dd", { class: "change" }, changeMark(a, b, better, sure)),
      ),
    ),
  );
}

/** The same row before its numbers are known. */
export function pendingPairs(labels: readonly string[]): HTMLElement {
  return el(
    "dl",
    { class: "stats pairs", "aria-hidden": "true" },
    ...labels.map((label) =>
      el("div", {}, el("dt", {}, label), el("dd", {}, figure("…")), el("dd", { class: "change" }, figure("…"))),
    ),
  );
}

/** Both values; a unit that they share stands once. */
function pairFigures(a: string, b: string): Node[] {
  const unitOf = (text: string): string => text.slice(text.indexOf(" ") + 1);
  const shown = a.includes(" ") && unitOf(a) === unitOf(b) ? a.slice(0, a.indexOf(" ")) : a;
  return [figure(shown), el("span", { class: "arrow", "aria-label": "to" }, "→"), figure(b)];
}

/** Relative change, marked as gain or loss where it is large enough to mean something. */
export function changeMark(a: number, b: number, better: "lower" | "higher" = "lower", sure = true): Node | string {
  if (a === 0) return b === 0 ? figure("0 %") : "new";
  const change = b / a - 1;
  const gain = better === "lower" ? change < 0 : change > 0;
  const mark = el(
    "span",
    { class: !sure || Math.abs(change) < 0.02 ? "same" : gain ? "gain" : "loss" },
    figure(formatChange(change)),
  );
  return mark;
}
