/**
 * One timeline, or two runs on one time scale: toolbar, timelines with linked windows, details, table of what is seen.
 * The address keeps window, selection and hidden kinds.
 */

import { reasonOf } from "../../trace/errors";
import type { RankAlignment } from "../../trace/alignment";
import type { RunInfo } from "../../trace/run";
import { fetchCollectives } from "../api";
import { download } from "../csv";
import { el } from "../dom";
import { spanKey, type LaneView, type SpanKey } from "../../trace/lane-view";
import type { Move } from "../../trace/look";
import type { OpInView } from "../../trace/ops-in-view";
import { parseQuery, type Query } from "../../trace/search";
import { lanesSvg } from "../../trace/timeline-svg";
import { areaDetails, type Area } from "./area";
import { detailsOf, noDetails, waitOf } from "./details";
import { helpSheet } from "./help";
import { attachKeys } from "./keys";
import { HeldSpans } from "./held-spans";
import { layoutLanes, type Arrangement } from "./layout";
import { loadLanes, loadOverview, loadSketch } from "./load";
import { Minimap } from "./minimap";
import { readState, writeState } from "./permalink";
import { csvOfSpans, pngOf } from "./save-view";
import { SearchBox } from "./search-box";
import { ServedSpans } from "./served-spans";
import type { Spans } from "./spans";
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
    noDetails(null),
  );
  readonly #tables = el("div", { class: "visible-tables" });
  readonly #visible = el(
    "details",
    { class: "visible" },
    el("summary", {}, "What is on the screen, as a table"),
    this.#tables,
  );
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
      this.#details,
      this.#visible,
      this.#help,
    );
    this.#visible.addEventListener("toggle", () => void this.#fillTables());
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
    if (!this.#shown) {
      const sketches = await Promise.all(this.runs.map(({ id }) => loadSketch(id)));
      this.#lengths = sketches.map(({ length }) => length);
      for (const [k, { lanes }] of sketches.entries()) this.#show(k, (onChange) => new HeldSpans(lanes, 0, onChange));
    }
    const onError = (error: unknown): void => this.#say(error);
    const overviews = await Promise.all(
      this.runs.map(async ({ id }, k) => {
        const overview = await loadOverview(id);
        const { lanes, length, origin, isShort } = overview;
        this.#lengths[k] = length;
        this.#show(k, (onChange) =>
          isShort ? new HeldSpans(lanes, origin, onChange) : new ServedSpans({ id, length, onChange, onError }, lanes),
        );
        onShown(k);
        return overview;
      }),
    );
    const done = this.runs.map(() => 0);
    const loading = overviews.map(async (overview, k) => {
      const timeline = this.#timelines[k];
      if (!timeline || !overview.isShort) return;
      const onChange = (): void => this.#draw(timeline);
      await loadLanes(this.runs[k]?.id ?? "", overview, (lanes, share) => {
        this.#spans.set(timeline, new HeldSpans(lanes, overview.origin, onChange));
        onChange();
        done[k] = share;
        this.#progress.value = done.reduce((sum, value) => sum + value, 0) / done.length;
      });
    });
    await Promise.all(loading);
    this.#toolbar.setLegend(this.#allLanes(), this.#hidden);
    this.#minimap.setLanes(this.#timelines[0]?.lanes ?? [], this.#length);
    await this.#find(this.#query);
    await this.#restoreSelection();
    this.#sought = null;
    this.#progress.classList.add("done");
    await this.#showDetails();
    this.element.dataset["loaded"] = "true";
    void this.#fillTables();
  }

  /** Shows run `k` as far as it is known; the window stays where it is. */
  #show(k: number, spansOf: (onChange: () => void) => Spans): void {
    const shown = this.#timelines[k];
    if (!shown) return;
    if (this.#shown) this.#writeAddress();
    this.#shown = true;
    this.#length = Math.max(1, ...this.#lengths);
    for (const timeline of this.#timelines) timeline.setLength(this.#length);
    this.#spans.set(
      shown,
      spansOf(() => this.#draw(shown)),
    );
    this.#draw(shown);
    this.#toolbar.setView({ from: 0, to: this.#length });
    this.#minimap.setLanes(this.#timelines[0]?.lanes ?? [], this.#length);
    this.#minimap.setView({ from: 0, to: this.#length });
    this.#restore();
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

  /** What the panel says while nothing is selected. */
  #noDetails(): HTMLElement {
    const ranksWait = this.#allLanes().some(({ kinds }) => kinds.has("collective")) && this.#allLanes().length > 1;
    return noDetails(ranksWait ? () => void this.#showLongestWait().catch((error: unknown) => this.#say(error)) : null);
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
  async #save(format: "png" | "svg" | "csv"): Promise<void> {
    const timeline = this.#active;
    const run = this.runs[this.#timelines.indexOf(timeline)] ?? this.runs[0];
    const { lanes, view } = timeline;
    if (format === "png") download(`${run.id}.png`, await pngOf(this.#timelines));
    else if (format === "svg")
      download(
        `${run.id}.svg`,
        lanesSvg(this.#arranged(lanes), {
          ...{ ...view, origin: 0, title: run.label },
          ...{ faded: this.#hidden, hits: this.#spansOf(timeline).hits },
        }),
        "image/svg+xml",
      );
    else {
      const events = await this.#spansOf(timeline).events(view);
      download(`${run.id}.csv`, events ? csvOfSpans(events) : "");
    }
  }

  /** Lanes and rows in the order in which they are seen: pinned ranks first, of folded ones the outermost spans. */
  #arranged(lanes: readonly LaneView[]): LaneView[] {
    const { bands } = layoutLanes(lanes, this.#arrangement);
    return [...new Set(bands.map(({ lane }) => lane))].map((lane) => ({
      ...lane,
      rows: lane.rows.filter((_, depth) => bands.some((band) => band.lane === lane && band.depth === depth)),
    }));
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
    void this.#showDetails().catch((error: unknown) => this.#say(error));
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
      void this.#fillTables();
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

  async #fillTables(): Promise<void> {
    if (!this.#visible.open) return;
    const views = this.#timelines.map(({ view }) => view);
    const tables = await Promise.all(
      this.#timelines.map(async (timeline) => {
        const { view, lanes } = timeline;
        const ops = await this.#spansOf(timeline).ops({ ...view, firstRank: 0, lastRank: Number.MAX_SAFE_INTEGER });
        return visibleTable(ops, ranksOf(lanes).length, view);
      }),
    ).catch((error: unknown) => this.#say(error));
    if (tables && this.#timelines.every(({ view }, k) => view === views[k])) this.#tables.replaceChildren(...tables);
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
    await Promise.all([this.#showDetails(), this.#showHits()]);
    this.#settle();
  }

  async #showDetails(): Promise<void> {
    const shown = this.#timelines.find(({ selected, area }) => selected !== null || area !== null);
    const { area = null, selected = null } = shown ?? {};
    const stretch = area ?? waitOf(shown?.linked ?? []);
    const ops = shown && stretch ? await this.#spansOf(shown).ops(stretch) : [];
    // Meanwhile something else may have been selected.
    if (shown && (shown.area !== area || shown.selected !== selected)) return;
    this.#details.replaceChildren(shown ? this.#detailsIn(shown, ops) : this.#noDetails());
  }

  #detailsIn(timeline: Timeline, ops: readonly OpInView[]): HTMLElement {
    const { area, selected, lanes, linked } = timeline;
    if (area) {
      const clear = (): void => this.#selectArea(timeline, null);
      const ranks = ranksOf(lanes).filter((rank) => rank >= area.firstRank && rank <= area.lastRank);
      return areaDetails(ops, ranks.length, area, { fit: () => timeline.go(clampView(area, this.#length)), clear });
    }
    if (!selected) return this.#noDetails();
    return detailsOf(selected, linked, ops, {
      fit: () => this.#fit(),
      clear: () => void this.#choose(timeline, null),
      occurrence: (direction) => this.#step("occurrence", direction),
    });
  }
}

function ranksOf(lanes: readonly LaneView[]): number[] {
  return [...new Set(lanes.map(({ rank }) => rank))];
}

const NO_SPANS: Spans = new HeldSpans([], 0, () => undefined);

function runHeading(run: RunInfo, k: number): HTMLElement {
  return el("h3", { class: "run-heading" }, el("span", { class: "letter" }, k === 0 ? "A" : "B"), run.label || run.id);
}
