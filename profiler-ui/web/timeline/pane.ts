/**
 * One timeline, or two runs on one time scale: toolbar, timelines with linked windows, details, table of what is seen.
 * The address keeps window, selection and hidden kinds.
 */

import { reasonOf } from "../../trace/errors";
import type { RankAlignment } from "../../trace/alignment";
import type { RunInfo } from "../../trace/run";
import { fetchCollectives } from "../api";
import { el } from "../dom";
import { spanKey, type LaneView, type SpanKey } from "../../trace/lane-view";
import type { Move } from "../../trace/look";
import { parseQuery, type Query } from "../../trace/search";
import type { Area } from "./area";
import { DetailsPanel } from "./details-panel";
import { helpSheet } from "./help";
import { attachKeys } from "./keys";
import { HeldSpans } from "./held-spans";
import type { Arrangement } from "./layout";
import { loadRuns, type SpansMaker } from "./load-runs";
import { Minimap } from "./minimap";
import { readState, writeState } from "./permalink";
import { saveView, type SavedFormat } from "./save-view";
import { SearchBox } from "./search-box";
import type { Spans } from "./spans";
import { ranksOf, Timeline } from "./timeline";
import { Toolbar, type ToolbarActions } from "./toolbar";
import { clampView, panView, viewAround, zoomView, type View } from "./view";
import { VisibleTables } from "./visible-tables";

/** Milliseconds that a window stands still before address and table follow it. */
const SETTLED = 200;

export class TimelinePane {
  readonly element: HTMLElement;
  readonly #timelines: readonly Timeline[];
  readonly #toolbar: Toolbar;
  readonly #progress: HTMLProgressElement = el("progress", { max: "1", value: "0", "aria-label": "Events loaded" });
  readonly #details: DetailsPanel;
  readonly #visible: VisibleTables;
  readonly #help = helpSheet();
  /** Of each run, as far as it is known; the longest is the time scale of all. */
  #lengths: number[] = [];
  #length = 1;
  #shown = false;
  /** The address's span until it is there: an overview may be without it. */
  #sought: { readonly run: number; readonly span: SpanKey } | null = null;
  readonly #spans = new Map<Timeline, Spans>();
  /** Counts choices: what a slow answer would have selected gives way to what was chosen since. */
  #choices = 0;
  /** Steps wait for one another: each begins where the last one led. */
  #steps: Promise<void> = Promise.resolve();
  #trouble = el("p", { class: "problem", role: "alert", hidden: true });
  readonly #search: SearchBox;
  readonly #minimap = new Minimap({ go: (view) => this.#active.go(view) });
  #hidden: ReadonlySet<string>;
  #arrangement: Arrangement;
  #query: Query;
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
        onPick: (span) => void this.#choose(timeline, span),
        onDraw: (view, pixels) => this.#spansOf(timeline).see(view, pixels),
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
      search: (query) => void this.#find(query),
      next: (direction) => this.#step("hit", direction),
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
      save: (format) => void this.#save(format).catch((error: unknown) => this.#say(error)),
    };
    this.#toolbar = new Toolbar(actions, this.#search.element);
    const spansOf = (timeline: Timeline): Spans => this.#spansOf(timeline);
    this.#details = new DetailsPanel(this.#timelines, spansOf, {
      fit: () => this.#fit(),
      fitArea: (timeline, area) => timeline.go(clampView(area, this.#length)),
      clear: (timeline) => void this.#choose(timeline, null),
      clearArea: (timeline) => this.#selectArea(timeline, null),
      occurrence: (direction) => this.#step("occurrence", direction),
      longestWait: () => void this.#showLongestWait().catch((error: unknown) => this.#say(error)),
    });
    this.#visible = new VisibleTables(this.#timelines, spansOf, (error) => this.#say(error));
    this.element = el(
      "section",
      { class: "pane", "aria-label": "Timeline" },
      this.#toolbar.element,
      this.#progress,
      this.#trouble,
      this.#minimap.element,
      ...this.#timelines.flatMap((timeline, k) =>
        runs.length > 1 ? [runHeading(runs[k] ?? runs[0], k), timeline.element] : [timeline.element],
      ),
      this.#details.element,
      this.#visible.element,
      this.#help,
    );
    attachKeys(() => this.#timelines.some(({ canvas }) => canvas === document.activeElement), {
      zoom: (factor) => this.#zoom(factor),
      pan: (by) => this.#active.go(panView(this.#active.view, by, this.#length)),
      fit: () => this.#fit(),
      clear: () => {
        this.#selectArea(this.#active, null);
        void this.#choose(this.#active, null);
      },
      neighbour: (direction) => this.#step("neighbour", direction),
      occurrence: (direction) => this.#step("occurrence", direction),
      row: (direction) => this.#step("row", direction),
      help: () => this.#help.showModal(),
      find: () => this.#search.focus(),
      hit: (direction) => this.#step("hit", direction),
      area: () => this.#areaOfView(),
    });
    addEventListener("hashchange", () => this.#restore());
  }

  /**
   * Loads what is drawn: all events of a run that is short enough; resolves when they are there. Every run begins at its
   * first span, so that they compare. `onShown` is called for each when the whole of it is to be seen: what else is asked of
   * the server should wait for it.
   */
  async load(onShown: (run: number) => void = () => undefined): Promise<void> {
    await loadRuns(this.runs, !this.#shown, {
      onLength: (k, length) => (this.#lengths[k] = length),
      onOutline: (k, spansOf) => this.#show(k, spansOf),
      onShown,
      onSpans: (k, spansOf) => this.#take(k, spansOf),
      onProgress: (done) => (this.#progress.value = done),
      onError: (error) => this.#say(error),
    });
    this.#toolbar.setLegend(this.#allLanes(), this.#hidden);
    this.#minimap.setLanes(this.#timelines[0]?.lanes ?? [], this.#length);
    await this.#find(this.#query);
    await this.#restoreSelection();
    this.#sought = null;
    this.#progress.classList.add("done");
    await this.#details.show();
    this.element.dataset["loaded"] = "true";
    void this.#visible.fill();
  }

  /** Shows run `k` as far as it is known; the window stays where it is. */
  #show(k: number, spansOf: SpansMaker): void {
    if (this.#shown) this.#writeAddress();
    this.#shown = true;
    this.#length = Math.max(1, ...this.#lengths);
    for (const timeline of this.#timelines) timeline.setLength(this.#length);
    this.#take(k, spansOf);
    this.#toolbar.setView({ from: 0, to: this.#length });
    this.#minimap.setLanes(this.#timelines[0]?.lanes ?? [], this.#length);
    this.#minimap.setView({ from: 0, to: this.#length });
    this.#restore();
  }

  /** Draws run `k` by these spans from now on. */
  #take(k: number, spansOf: SpansMaker): void {
    const timeline = this.#timelines[k];
    if (!timeline) return;
    this.#spans.set(
      timeline,
      spansOf(() => this.#draw(timeline)),
    );
    this.#draw(timeline);
  }

  #spansOf(timeline: Timeline): Spans {
    return this.#spans.get(timeline) ?? NO_SPANS;
  }

  /** Draws what is known of a run's spans now. */
  #draw(timeline: Timeline): void {
    const { lanes, hits } = this.#spansOf(timeline);
    timeline.setLanes(lanes);
    timeline.setHits(hits);
  }

  /** Draws the first run with its ranks' clocks corrected, or as recorded. */
  async align(alignment: readonly RankAlignment[] | null): Promise<void> {
    const [timeline] = this.#timelines;
    if (!timeline) return;
    const spans = this.#spansOf(timeline);
    const { selected } = timeline;
    await spans.align(alignment);
    this.#minimap.setLanes(timeline.lanes, this.#length);
    this.#minimap.setHits(spans.hits);
    // Spans are named by their starts, which are others now; collectives have numbers.
    const { events } = selected?.lane ?? {};
    const [seq = -1, group = -1] = [events?.seq[selected?.index ?? 0], events?.group[selected?.index ?? 0]];
    const again = seq < 0 ? null : await spans.collective(group, seq);
    await this.#choose(timeline, again);
  }

  /** Selects a collective of a run, the first one unless given, and goes there. */
  async showCollective(group: number, seq: number, timeline: Timeline | undefined = this.#timelines[0]): Promise<void> {
    const span = timeline && (await this.#spansOf(timeline).collective(group, seq));
    if (!span) return;
    this.#active = timeline;
    await this.#choose(timeline, span);
    this.#fit();
    timeline.canvas.focus();
  }

  /** Selects the collective with the largest skew of the run that was pointed at last. */
  async #showLongestWait(): Promise<void> {
    const timeline = this.#active;
    const { id } = this.runs[this.#timelines.indexOf(timeline)] ?? this.runs[0];
    const { rows } = await fetchCollectives(id, { sort: "skewNs", descending: true, offset: 0, limit: 1 });
    if (rows[0]) await this.showCollective(rows[0].group, rows[0].seq, timeline);
  }

  /** Says what went wrong where the timeline is. */
  #say(error: unknown): void {
    this.#trouble.textContent = reasonOf(error);
    this.#trouble.hidden = false;
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
      void this.#find(parseQuery(state.find));
    }
    void this.#restoreSelection();
  }

  /** Selects the address's span, which may stand in no overview: once all events are there it is found. */
  async #restoreSelection(): Promise<void> {
    const state = readState(location.hash);
    const timeline = this.#timelines[state.run] ?? this.#active;
    if (state.area) this.#selectArea(timeline, state.area);
    this.#sought = state.span && { run: state.run, span: state.span };
    if (state.span) await this.#choose(timeline, state.span);
  }

  /** Shows what fits `query` on all timelines. */
  async #find(query: Query): Promise<void> {
    this.#query = query;
    this.#settle();
    const find = query.kind === "terms" ? this.#search.text.trim() : "";
    try {
      await Promise.all(this.#timelines.map((timeline) => this.#spansOf(timeline).find(find)));
    } catch (error) {
      this.#say(error);
    }
    if (query !== this.#query) return;
    this.#minimap.setHits(this.#spansOf(this.#timelines[0] ?? this.#active).hits);
    await this.#showHits();
  }

  async #showHits(): Promise<void> {
    const query = this.#query;
    const { selected } = this.#active;
    const spans = this.#spansOf(this.#active);
    const ordinal = spans.hits && selected ? await spans.ordinal(spanKey(selected)) : 0;
    if (query === this.#query) this.#search.show(query, spans.hits, ordinal);
  }

  /** Hands what is seen to the browser's downloads. */
  #save(format: SavedFormat): Promise<void> {
    const timeline = this.#active;
    const { id, label } = this.runs[this.#timelines.indexOf(timeline)] ?? this.runs[0];
    const seen = { timelines: this.#timelines, timeline, spans: this.#spansOf(timeline) };
    return saveView(format, { id, label, ...seen, hidden: this.#hidden, arrangement: this.#arrangement });
  }

  #arrange(which: keyof Arrangement, rank: number): void {
    const next = new Set(this.#arrangement[which]);
    if (!next.delete(rank)) next.add(rank);
    this.#arrangement = { ...this.#arrangement, [which]: next };
    for (const timeline of this.#timelines) timeline.arrange(this.#arrangement);
    this.#settle();
  }

  #areaOfView(): void {
    const ranks = ranksOf(this.#active.lanes);
    if (ranks.length === 0) return;
    this.#selectArea(this.#active, {
      ...this.#active.view,
      firstRank: Math.min(...ranks),
      lastRank: Math.max(...ranks),
    });
  }

  #selectArea(timeline: Timeline, area: Area | null): void {
    if (area) {
      this.#choices++;
      this.#timelines.forEach((other) => other.select(null));
    }
    for (const other of this.#timelines) other.setArea(other === timeline ? area : null);
    void this.#details.show().catch((error: unknown) => this.#say(error));
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
      void this.#visible.fill();
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
      const fitted = viewAround(chosen.linked.length > 0 ? chosen.linked : [chosen.selected], this.#length);
      if (Math.abs(fitted.from - view.from) + Math.abs(fitted.to - view.to) > (view.to - view.from) / 100) {
        this.#active.go(fitted);
        return;
      }
    }
    this.#active.go({ from: 0, to: this.#length });
  }

  /** Goes on from what is selected, or begins in the window. */
  #step(move: Move["move"], direction: -1 | 1): void {
    const step = async (): Promise<void> => {
      const timeline = this.#active;
      const { selected, view } = timeline;
      const from = selected && spanKey(selected);
      const span = await this.#spansOf(timeline).go({ move, direction, span: from, ...view });
      if (!span) return;
      await this.#choose(timeline, span);
      if (timeline.selected) timeline.reveal(timeline.selected);
    };
    this.#steps = this.#steps.then(step).catch((error: unknown) => this.#say(error));
  }

  /** Selects a span, or nothing. */
  async #choose(timeline: Timeline, key: SpanKey | null): Promise<void> {
    const choice = ++this.#choices;
    const selection =
      key &&
      (await this.#spansOf(timeline)
        .selection(key)
        .catch((error: unknown) => this.#say(error)));
    if (choice !== this.#choices) return;
    if (key && !selection) return;
    for (const other of this.#timelines) {
      other.select(other === timeline ? (selection ?? null) : null);
      if (selection) other.setArea(null);
    }
    this.#sought = null;
    // At once, so that a reload finds what is selected; the window's own address follows when it rests.
    if (selection) this.#writeAddress();
    await Promise.all([this.#details.show(), this.#showHits()]);
    this.#settle();
  }
}

const NO_SPANS: Spans = new HeldSpans([], 0, () => undefined);

function runHeading(run: RunInfo, k: number): HTMLElement {
  return el("h3", { class: "run-heading" }, el("span", { class: "letter" }, k === 0 ? "A" : "B"), run.label || run.id);
}
