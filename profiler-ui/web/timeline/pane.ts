/**
 * One timeline, or two runs on one time scale: toolbar, timelines with linked windows, details, table of what is seen.
 * The address keeps window, selection and hidden kinds.
 */

import type { RunInfo } from "../../trace/run";
import { el } from "../dom";
import { detailsOf, noDetails } from "./details";
import { helpSheet } from "./help";
import { attachKeys } from "./keys";
import { findSpan, loadLanes, loadOverview, spanKey, type LaneView, type SpanRef } from "./lane-view";
import { firstIn, neighbourOf, occurrenceOf, rowBeside } from "./navigation";
import { readState, writeState } from "./permalink";
import { Timeline } from "./timeline";
import { Toolbar } from "./toolbar";
import { clampView, panView, zoomView, type View } from "./view";
import { visibleTable } from "./visible-table";

/** Milliseconds that a window stands still before address and table follow it. */
const SETTLED = 200;

export class TimelinePane {
  readonly element: HTMLElement;
  readonly #timelines: readonly Timeline[];
  readonly #toolbar: Toolbar;
  readonly #progress: HTMLProgressElement = el("progress", { max: "1", value: "0", "aria-label": "Events loaded" });
  readonly #details = el(
    "section",
    { class: "details", "aria-label": "Selected span", "aria-live": "polite" },
    noDetails(),
  );
  readonly #tables = el("div", { class: "visible-tables" });
  readonly #visible = el(
    "details",
    { class: "visible" },
    el("summary", {}, "What is on the screen, as a table"),
    this.#tables,
  );
  readonly #help = helpSheet();
  #length = 1;
  #hidden: ReadonlySet<string>;
  #active: Timeline;
  #settling: number | undefined;

  constructor(readonly runs: readonly [RunInfo, ...RunInfo[]]) {
    const state = readState(location.hash);
    this.#hidden = new Set(state.hidden);
    const make = (run: RunInfo): Timeline => {
      const timeline: Timeline = new Timeline({
        label: `Timeline of ${run.label || run.id}, ${run.tensorParallel} ranks`,
        onView: (view) => this.#follow(view, timeline),
        onSelect: (span) => this.#selected(timeline, span),
      });
      timeline.canvas.addEventListener("pointerenter", () => (this.#active = timeline));
      timeline.canvas.addEventListener("focus", () => (this.#active = timeline));
      timeline.setHidden(this.#hidden);
      return timeline;
    };
    this.#active = make(runs[0]);
    this.#timelines = [this.#active, ...runs.slice(1).map(make)];
    this.#toolbar = new Toolbar({
      toggleKind: (kind) => {
        const next = new Set(this.#hidden);
        if (!next.delete(kind)) next.add(kind);
        this.#hide(next);
      },
      zoom: (factor) => this.#zoom(factor),
      fit: () => this.#fit(),
      help: () => this.#help.showModal(),
    });
    this.element = el(
      "section",
      { class: "pane", "aria-label": "Timeline" },
      this.#toolbar.element,
      this.#progress,
      ...this.#timelines.flatMap((timeline, k) =>
        runs.length > 1 ? [runHeading(runs[k] ?? runs[0], k), timeline.element] : [timeline.element],
      ),
      this.#details,
      this.#visible,
      this.#help,
    );
    this.#visible.addEventListener("toggle", () => this.#fillTables());
    attachKeys(() => this.#timelines.some(({ canvas }) => canvas === document.activeElement), {
      zoom: (factor) => this.#zoom(factor),
      pan: (by) => this.#active.go(panView(this.#active.view, by, this.#length)),
      fit: () => this.#fit(),
      clear: () => this.#timelines.forEach((timeline) => timeline.select(null)),
      neighbour: (direction) => this.#step((span) => neighbourOf(span, direction)),
      occurrence: (direction) => this.#step((span) => occurrenceOf(span, direction)),
      row: (direction) => this.#step((span) => rowBeside(this.#active.lanes, span, direction)),
      help: () => this.#help.showModal(),
    });
    addEventListener("hashchange", () => this.#restore());
  }

  /** Loads all runs' events; resolves when all are there. Every run begins at its first span, so that they compare. */
  async load(): Promise<void> {
    const overviews = await Promise.all(this.runs.map(({ id }) => loadOverview(id)));
    this.#length = Math.max(1, ...overviews.map(({ length }) => length));
    this.#timelines.forEach((timeline, k) => {
      timeline.setLength(this.#length);
      timeline.setLanes(overviews[k]?.lanes ?? []);
    });
    this.#toolbar.setView({ from: 0, to: this.#length });
    this.#restore();
    const done = this.runs.map(() => 0);
    const loading = overviews.map((overview, k) =>
      loadLanes(this.runs[k]?.id ?? "", overview, (lanes, share) => {
        this.#timelines[k]?.setLanes(lanes);
        done[k] = share;
        this.#progress.value = done.reduce((sum, value) => sum + value, 0) / done.length;
      }),
    );
    await Promise.all(loading);
    this.#toolbar.setLegend(this.#allLanes(), this.#hidden);
    this.#restoreSelection();
    this.#progress.classList.add("done");
    this.element.dataset["loaded"] = "true";
    this.#fillTables();
  }

  #allLanes(): LaneView[] {
    return this.#timelines.flatMap(({ lanes }) => lanes);
  }

  /** Brings window, selection and hidden kinds to what the address says. */
  #restore(): void {
    const state = readState(location.hash);
    if (state.view) this.#active.go(state.view);
    this.#hide(new Set(state.hidden));
    this.#restoreSelection();
  }

  /** Selects the address's span, which may stand in no overview: once all events are there it is found. */
  #restoreSelection(): void {
    const state = readState(location.hash);
    const timeline = this.#timelines[state.run] ?? this.#active;
    const span = state.span && findSpan(timeline.lanes, state.span);
    if (span) timeline.select(span);
  }

  #follow(view: View, source: Timeline): void {
    for (const timeline of this.#timelines) if (timeline !== source) timeline.show(view);
    this.#toolbar.setView(view);
    this.#settle();
  }

  #settle(): void {
    clearTimeout(this.#settling);
    this.#settling = window.setTimeout(() => {
      this.#writeAddress();
      this.#fillTables();
    }, SETTLED);
  }

  #writeAddress(): void {
    const { view } = this.#active;
    const whole = view.from <= 0 && view.to >= this.#length;
    const run = this.#timelines.findIndex(({ selected }) => selected !== null);
    const span = this.#timelines[run]?.selected ?? null;
    const hash = writeState({
      view: whole ? null : view,
      span: span && spanKey(span),
      run: Math.max(0, run),
      hidden: [...this.#hidden],
    });
    history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  }

  #fillTables(): void {
    if (!this.#visible.open) return;
    this.#tables.replaceChildren(...this.#timelines.map(({ lanes, view }) => visibleTable(lanes, view)));
  }

  #hide(kinds: ReadonlySet<string>): void {
    this.#hidden = kinds;
    for (const timeline of this.#timelines) timeline.setHidden(kinds);
    this.#toolbar.setLegend(this.#allLanes(), kinds);
    this.#settle();
  }

  #zoom(factor: number): void {
    this.#active.go(zoomView(this.#active.view, factor, this.#active.focusTime, this.#length));
  }

  /** The selected span with some room around it; if that is what is seen, or nothing is selected, everything. */
  #fit(): void {
    const span = this.#timelines.map(({ selected }) => selected).find((selected) => selected !== null);
    const { view } = this.#active;
    if (span) {
      const start = span.lane.events.startNs[span.index] ?? 0;
      const dur = span.lane.events.durNs[span.index] ?? 0;
      const fitted = clampView({ from: start - dur, to: start + 2 * dur }, this.#length);
      if (Math.abs(fitted.from - view.from) + Math.abs(fitted.to - view.to) > (view.to - view.from) / 100) {
        this.#active.go(fitted);
        return;
      }
    }
    this.#active.go({ from: 0, to: this.#length });
  }

  #step(next: (span: SpanRef) => SpanRef | null): void {
    const { selected, lanes, view } = this.#active;
    const span = selected ? next(selected) : firstIn(lanes, view.from, view.to);
    if (!span) return;
    this.#active.select(span);
    this.#active.reveal(span);
  }

  #selected(timeline: Timeline, span: SpanRef | null): void {
    if (span) for (const other of this.#timelines) if (other !== timeline) other.select(null);
    const shown = this.#timelines.find(({ selected }) => selected !== null);
    this.#details.replaceChildren(
      shown?.selected
        ? detailsOf(shown.selected, shown.linked, { fit: () => this.#fit(), clear: () => shown.select(null) })
        : noDetails(),
    );
    this.#settle();
  }
}

function runHeading(run: RunInfo, k: number): HTMLElement {
  return el("h3", { class: "run-heading" }, el("span", { class: "letter" }, k === 0 ? "A" : "B"), run.label || run.id);
}
