/** A comparison's figures, which show as they come: first the ranks' time of each run, then what is sure of the differences. */

import type { RunComparison } from "../trace/compare";
import { formatBytes, formatCount, formatSpeed, formatTime } from "../trace/format";
import type { RunInfo } from "../trace/run";
import type { RunSummary } from "../trace/summary";
import { isBorneOut, isDifferent, isOfEqualWork } from "../trace/verdict";
import { el, figure } from "./dom";
import { pairRow, pendingPairs, type PairStat } from "./stats";
import { bar, barLegend, kindsOf } from "./summary-view";

/** What is waited for, in order: each run is read and drawn, both are added up, their calls are paired. */
const STAGES = 4;

/** Labels of the figures on top, until they are known. */
const STATS = ["prefill steps", "decode steps", "step time", "exposed AllReduce", "on the wire"];

export class ComparisonFigures {
  readonly element: HTMLElement;
  readonly #verdict = el("div", { class: "verdict-place" });
  readonly #stats = el("div", {}, pendingPairs(STATS));
  readonly #bars = el("div");
  readonly #summaries: (RunSummary | undefined)[] = [];
  readonly #drawn = new Set<number>();

  constructor(readonly runs: readonly [a: RunInfo, b: RunInfo]) {
    this.element = el("div", {}, this.#verdict, this.#stats, this.#bars);
    this.#say();
    this.#showBars();
  }

  /** Run `k` is drawn. */
  drawn(k: number): void {
    this.#drawn.add(k);
    this.#say();
  }

  /** Run `k` is added up. */
  addedUp(k: number, summary: RunSummary): void {
    this.#summaries[k] = summary;
    this.#say();
    this.#showBars();
  }

  show(comparison: RunComparison): void {
    this.#verdict.replaceChildren(verdictText(comparison.verdict));
    this.#stats.replaceChildren(pairRow(statsOf(comparison)));
  }

  /** Says what is waited for. */
  #say(): void {
    const { length: addedUp } = this.#summaries.filter(Boolean);
    const reading = this.runs.findIndex((_, k) => !this.#drawn.has(k));
    const what =
      reading >= 0
        ? `Reading ${formatCount(this.runs[reading]?.events ?? 0)} spans of ${"AB"[reading]}…`
        : addedUp < 2
          ? "Adding up…"
          : "Pairing the calls of both runs…";
    this.#verdict.replaceChildren(
      el("p", { class: "muted", role: "status" }, what),
      el("progress", { max: STAGES, value: this.#drawn.size + Number(addedUp === 2) + 0.5, "aria-label": "Comparing" }),
    );
  }

  /** Both runs' ranks as bars of one scale. */
  #showBars(): void {
    const known = this.#summaries.filter((summary) => summary !== undefined);
    const longest = Math.max(1, ...known.flatMap(({ ranks }) => ranks.map(({ stepNs }) => stepNs)));
    this.#bars.replaceChildren(
      el(
        "div",
        { class: "heading" },
        el("h2", {}, "Time by rank"),
        ...(known.length > 0 ? [barLegend(kindsOf(known))] : []),
      ),
      ...this.runs.map((run, k) => rankBars(run, "AB"[k] ?? "", this.#summaries[k], longest)),
    );
  }
}

/** A bar a rank; without its bars, in the same room, until the run is added up. */
function rankBars(run: RunInfo, letter: string, summary: RunSummary | undefined, longest: number): HTMLElement {
  const rows = summary
    ? summary.ranks.map((rank) => ({ name: rank.rank, bar: bar(rank, longest), time: formatTime(rank.stepNs) }))
    : Array.from({ length: run.tensorParallel }, (_, rank) => ({
        name: rank,
        bar: el("div", { class: "stack" }),
        time: "",
      }));
  return el(
    "div",
    { class: "rank-bars capped", tabindex: "0", role: "region", "aria-label": `Ranks of ${letter}` },
    el("span", { class: "letter" }, letter),
    el(
      "div",
      {},
      ...rows.map(({ name, bar: picture, time }) =>
        el("div", { class: "rank-bar" }, el("span", { class: "muted" }, `rank ${name}`), picture, figure(time)),
      ),
    ),
  );
}

/** The speed, which comes first, stands out from what explains it. */
function verdictText(verdict: string): HTMLElement {
  const end = verdict.indexOf(". ") + 1 || verdict.length;
  return el("p", { class: "verdict" }, el("strong", {}, verdict.slice(0, end)), verdict.slice(end));
}

function statsOf(comparison: RunComparison): PairStat[] {
  const { step, phases, exposed, wireBytes, collectives } = comparison;
  return [
    ...phases.map((phase): PairStat => {
      const { a, b } = phase.tokensPerSecond;
      const steps = phase.paired?.pairs ?? 0;
      const title = `Tokens over the time of the first rank's steps; ${steps} ${steps === 1 ? "step" : "steps"} in common`;
      return {
        label: `${phase.phase} steps`,
        title,
        a,
        b,
        format: formatSpeed,
        better: "higher",
        sure: isDifferent(phase),
      };
    }),
    {
      label: "step time",
      title: "Mean over ranks",
      a: step.a,
      b: step.b,
      format: formatTime,
      better: "lower",
      sure: isOfEqualWork(phases) && phases.some(isDifferent),
    },
    {
      label: "exposed AllReduce",
      title: "Mean over ranks of the AllReduce time that no compute hides",
      a: exposed.a,
      b: exposed.b,
      format: formatTime,
      better: "lower",
      sure: isBorneOut(exposed, collectives),
    },
    {
      label: "on the wire",
      title: "Sent by all ranks together",
      a: wireBytes.a,
      b: wireBytes.b,
      format: formatBytes,
      better: "lower",
    },
  ];
}
