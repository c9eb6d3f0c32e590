/**
 * One timeline, or two runs on one time scale: toolbar, timelines with linked windows, details, table of what is seen.
 * The address keeps window, selection and hidden kinds.
 */

import type { RankAlignment } from "../../trace/alignment";
import type { RunInfo } from "../../trace/run";
import { download } from "../csv";
import { el } from "../dom";
import { parseQuery, type Query } from "../../trace/search";
import { areaDetails, type Area } from "./area";
import { detailsOf, noDetails } from "./details";
import { helpSheet } from "./help";
import { findHits, nextHit, ordinalOf, type Hits } from "./hits";
import { attachKeys } from "./keys";
import type { Arrangement } from "./layout";
import {
  alignLanes,
  findSpan,
  loadLanes,
  loadOverview,
  loadSketch,
  spanKey,
  spanRef,
  type LaneView,
  type Outline,
  type SpanKey,
  type SpanRef,
} from "./lane-view";
import { Minimap } from "./minimap";
import { firstIn, neighbourOf, occurrenceOf, rowBeside } from "./navigation";
import { readState, writeState } from "./permalink";
import { csvOfView, pngOf, svgOf } from "./save-view";
import { SearchBox } from "./search-box";
import { Timeline } from "./timeline";
import { Toolbar, type ToolbarActions } from "./toolbar";
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
  #shown = false;
  /** The address's span until it is there: an overview may be without it. */
  #sought: { readonly run: number; readonly span: SpanKey } | null = null;
  /** The first run's time at which the page's time begins, and its lanes before clocks were corrected. */
  #origin = 0;
  #recorded: readonly LaneView[] | undefined;
  readonly #search: SearchBox;
  readonly #minimap = new Minimap({ go: (view) => this.#active.go(view) });
  #hidden: ReadonlySet<string>;
  #arrangement: Arrangement;
  #query: Query;
  readonly #hits = new Map<Timeline, Hits | null>();
  #active: Timeline;
  #settling: number | undefined;

  constructor(readonly runs: readonly [RunInfo, ...RunInfo[]]) {
    const state = readState(location.hash);
    this.#hidden = new Set(state.hidden);
    this.#arrangement = { pinned: new Set(state.pinned), folded: new Set(state.folded) };
    this.#query = parseQuery(state.find);
    const make = (run: RunInfo): Timeline => {
      const timeline: Timeline = new Timeline({
        label: `Timeline of ${run.label || run.id}, ${run.tensorParallel} ranks`,
        onView: (view) => this.#follow(view, timeline),
        onSelect: (span) => this.#selected(timeline, span),
        onArea: (area) => this.#selectArea(timeline, area),
        ranks: {
          fold: (rank) => this.#arrange("folded", rank),
          pin: (rank) => this.#arrange("pinned", rank),
        },
      });
      timeline.canvas.addEventListener("pointerenter", () => (this.#active = timeline));
      timeline.canvas.addEventListener("focus", () => (this.#active = timeline));
      timeline.setHidden(this.#hidden);
      timeline.arrange(this.#arrangement);
      return timeline;
    };
    this.#active = make(runs[0]);
    this.#timelines = [this.#active, ...runs.slice(1).map(make)];
    this.#search = new SearchBox({
      search: (query) => this.#find(query),
      next: (direction) => this.#toHit(direction),
    });
    this.#search.text = state.find;
    const actions: ToolbarActions = {
      toggleKind: (kind) => {
        const next = new Set(this.#hidden);
        if (!next.delete(kind)) next.add(kind);
        this.#hide(next);
      },
      zoom: (factor) => this.#zoom(factor),
      fit: () => this.#fit(),
      help: () => this.#help.showModal(),
      save: (format) => void this.#save(format),
    };
    this.#toolbar = new Toolbar(actions, this.#search.element);
    this.element = el(
      "section",
      { class: "pane", "aria-label": "Timeline" },
      this.#toolbar.element,
      this.#progress,
      this.#minimap.element,
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
      clear: () => {
        this.#selectArea(this.#active, null);
        this.#timelines.forEach((timeline) => timeline.select(null));
      },
      neighbour: (direction) => this.#step((span) => neighbourOf(span, direction)),
      occurrence: (direction) => this.#step((span) => occurrenceOf(span, direction)),
      row: (direction) => this.#step((span) => rowBeside(this.#active.lanes, span, direction)),
      help: () => this.#help.showModal(),
      find: () => this.#search.focus(),
      hit: (direction) => this.#toHit(direction),
      area: () => this.#areaOfView(),
    });
    addEventListener("hashchange", () => this.#restore());
  }

  /**
   * Loads all runs' events; resolves when all are there. Every run begins at its first span, so that they compare.
   * `onShown` is called when the whole of them is to be seen: what else is asked of the server should wait for it.
   */
  async load(onShown: () => void = () => undefined): Promise<void> {
    if (!this.#shown) this.#show(await Promise.all(this.runs.map(({ id }) => loadSketch(id))));
    const overviews = await Promise.all(this.runs.map(({ id }) => loadOverview(id)));
    this.#show(overviews);
    onShown();
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
    this.#minimap.setLanes(this.#timelines[0]?.lanes ?? [], this.#length);
    this.#find(this.#query);
    this.#restoreSelection();
    this.#sought = null;
    this.#progress.classList.add("done");
    this.element.dataset["loaded"] = "true";
    this.#fillTables();
  }

  /** Shows runs as far as they are known; the window stays where it is. */
  #show(outlines: readonly Outline[]): void {
    if (this.#shown) this.#writeAddress();
    this.#shown = true;
    this.#origin = outlines[0]?.origin ?? 0;
    this.#length = Math.max(1, ...outlines.map(({ length }) => length));
    this.#timelines.forEach((timeline, k) => {
      timeline.setLength(this.#length);
      timeline.setLanes(outlines[k]?.lanes ?? []);
    });
    this.#toolbar.setView({ from: 0, to: this.#length });
    this.#minimap.setLanes(outlines[0]?.lanes ?? [], this.#length);
    this.#minimap.setView({ from: 0, to: this.#length });
    this.#restore();
  }

  /** Draws the first run with its ranks' clocks corrected, or as recorded. */
  align(alignment: readonly RankAlignment[] | null): void {
    const [timeline] = this.#timelines;
    if (!timeline) return;
    this.#recorded ??= timeline.lanes;
    timeline.setLanes(alignment ? alignLanes(this.#recorded, alignment, this.#origin) : this.#recorded);
    this.#find(this.#query);
    this.#minimap.setLanes(timeline.lanes, this.#length);
  }

  /** Selects a collective of the first run and goes there. */
  showCollective(group: number, seq: number): void {
    const [timeline] = this.#timelines;
    if (!timeline) return;
    for (const lane of timeline.lanes) {
      const row = lane.rows[0]?.row;
      const position = row?.index.findIndex((i) => lane.events.seq[i] === seq && lane.events.group[i] === group) ?? -1;
      if (position < 0) continue;
      timeline.select(spanRef(lane, 0, position));
      this.#active = timeline;
      this.#fit();
      timeline.canvas.focus();
      return;
    }
  }

  #allLanes(): LaneView[] {
    return this.#timelines.flatMap(({ lanes }) => lanes);
  }

  /** Brings window, selection and hidden kinds to what the address says. */
  #restore(): void {
    const state = readState(location.hash);
    if (state.view) this.#active.go(state.view);
    this.#hide(new Set(state.hidden));
    this.#arrangement = { pinned: new Set(state.pinned), folded: new Set(state.folded) };
    for (const timeline of this.#timelines) timeline.arrange(this.#arrangement);
    if (state.find !== this.#search.text.trim()) {
      this.#search.text = state.find;
      this.#find(parseQuery(state.find));
    }
    this.#restoreSelection();
  }

  /** Selects the address's span, which may stand in no overview: once all events are there it is found. */
  #restoreSelection(): void {
    const state = readState(location.hash);
    const timeline = this.#timelines[state.run] ?? this.#active;
    if (state.area) this.#selectArea(timeline, state.area);
    const span = state.span && findSpan(timeline.lanes, state.span);
    this.#sought = state.span && !span ? { run: state.run, span: state.span } : null;
    if (span) timeline.select(span);
  }

  /** Shows what fits `query` on all timelines. */
  #find(query: Query): void {
    this.#query = query;
    this.#timelines.forEach((timeline) => {
      const hits = findHits(timeline.lanes, query);
      this.#hits.set(timeline, hits);
      timeline.setHits(hits);
    });
    this.#minimap.setHits(this.#hits.get(this.#timelines[0] ?? this.#active) ?? null);
    this.#showHits();
    this.#settle();
  }

  #showHits(): void {
    const hits = this.#hits.get(this.#active) ?? null;
    const { selected } = this.#active;
    this.#search.show(this.#query, hits, hits && selected ? ordinalOf(hits, selected) : 0);
  }

  #toHit(direction: -1 | 1): void {
    const hits = this.#hits.get(this.#active);
    if (!hits) return;
    const { selected, view } = this.#active;
    const span = nextHit(hits, selected ?? (direction > 0 ? view.from : view.to), direction);
    if (!span) return;
    this.#active.select(span);
    this.#active.reveal(span);
  }

  /** Hands what is seen to the browser's downloads. */
  async #save(format: "png" | "svg" | "csv"): Promise<void> {
    const timeline = this.#active;
    const run = this.runs[this.#timelines.indexOf(timeline)] ?? this.runs[0];
    const { lanes, view } = timeline;
    if (format === "png") download(`${run.id}.png`, await pngOf(this.#timelines));
    else if (format === "svg") download(`${run.id}.svg`, svgOf(lanes, view, run.label), "image/svg+xml");
    else download(`${run.id}.csv`, csvOfView(lanes, view, this.#hits.get(timeline) ?? null));
  }

  #arrange(which: keyof Arrangement, rank: number): void {
    const next = new Set(this.#arrangement[which]);
    if (!next.delete(rank)) next.add(rank);
    this.#arrangement = { ...this.#arrangement, [which]: next };
    for (const timeline of this.#timelines) timeline.arrange(this.#arrangement);
    this.#settle();
  }

  #areaOfView(): void {
    const ranks = this.#active.lanes.map(({ rank }) => rank);
    if (ranks.length === 0) return;
    this.#selectArea(this.#active, {
      ...this.#active.view,
      firstRank: Math.min(...ranks),
      lastRank: Math.max(...ranks),
    });
  }

  #selectArea(timeline: Timeline, area: Area | null): void {
    if (area) this.#timelines.forEach((other) => other.select(null));
    for (const other of this.#timelines) other.setArea(other === timeline ? area : null);
    this.#showDetails();
    this.#settle();
  }

  #follow(view: View, source: Timeline): void {
    for (const timeline of this.#timelines) if (timeline !== source) timeline.show(view);
    this.#toolbar.setView(view);
    this.#minimap.setView(view);
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
    const chosen = this.#timelines.findIndex(({ selected, area }) => selected !== null || area !== null);
    const run = chosen < 0 ? (this.#sought?.run ?? 0) : chosen;
    const span = this.#timelines[chosen]?.selected ?? null;
    const hash = writeState({
      view: whole ? null : view,
      span: chosen < 0 ? (this.#sought?.span ?? null) : span && spanKey(span),
      run,
      hidden: [...this.#hidden],
      pinned: [...this.#arrangement.pinned],
      folded: [...this.#arrangement.folded],
      find: this.#query.kind === "all" ? "" : this.#search.text.trim(),
      area: this.#timelines[chosen]?.area ?? null,
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
    const chosen = this.#timelines.find(({ selected }) => selected !== null);
    const { view } = this.#active;
    if (chosen?.selected) {
      // A collective is fitted as all its ranks saw it.
      const spans = chosen.linked.length > 0 ? chosen.linked : [chosen.selected];
      const start = Math.min(...spans.map(({ lane, index }) => lane.events.startNs[index] ?? 0));
      const end = Math.max(
        ...spans.map(({ lane, index }) => (lane.events.startNs[index] ?? 0) + (lane.events.durNs[index] ?? 0)),
      );
      const dur = end - start;
      const fitted = clampView({ from: start - dur, to: end + dur }, this.#length);
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
    if (span) {
      for (const other of this.#timelines) {
        if (other !== timeline) other.select(null);
        other.setArea(null);
      }
    }
    // At once, so that a reload finds what is selected; the window's own address follows when it rests.
    if (span) this.#writeAddress();
    this.#showDetails();
    this.#showHits();
    this.#settle();
  }

  #showDetails(): void {
    const shown = this.#timelines.find(({ selected, area }) => selected !== null || area !== null);
    this.#details.replaceChildren(shown ? this.#detailsIn(shown) : noDetails());
  }

  #detailsIn(timeline: Timeline): HTMLElement {
    const { area, selected, lanes, linked } = timeline;
    if (area) {
      const clear = (): void => this.#selectArea(timeline, null);
      return areaDetails(lanes, area, { fit: () => timeline.go(clampView(area, this.#length)), clear });
    }
    if (!selected) return noDetails();
    return detailsOf(selected, linked, {
      fit: () => this.#fit(),
      clear: () => timeline.select(null),
      occurrence: (direction) => this.#step((span) => occurrenceOf(span, direction)),
    });
  }
}

function runHeading(run: RunInfo, k: number): HTMLElement {
  return el("h3", { class: "run-heading" }, el("span", { class: "letter" }, k === 0 ? "A" : "B"), run.label || run.id);
}
