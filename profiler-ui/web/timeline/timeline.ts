/** One run's timeline: canvas, gestures, keys, hover and selection. The page around it shows what is selected. */

import { longestIn } from "../../trace/level-of-detail";
import { lowerBound, spanAt, spansIn, upperBound } from "../../trace/lanes";
import { el } from "../dom";
import { onThemeChange } from "../page";
import type { Area } from "./area";
import { HoverCard } from "./card";
import { Painter, type Scene } from "./draw";
import { drawOverlay } from "./draw-overlay";
import { attachGestures, type Gestures } from "./gestures";
import type { Hits } from "../../trace/hits";
import { sameLane, spanKey, spanRef, type LaneView, type SpanKey, type SpanRef } from "../../trace/lane-view";
import {
  AS_RECORDED,
  bandAt,
  fixedHeight,
  GUTTER,
  HEADER,
  layoutAt,
  layoutLanes,
  rankAt,
  seenAt,
  type Arrangement,
  type Layout,
  type Scroll,
} from "./layout";
import { RankTools, type RankToolActions } from "./rank-tools";
import type { Selection } from "./spans";
import { readTheme, type CanvasTheme } from "./theme";
import { clampView, type View } from "./view";

export interface TimelineOptions {
  /** What screen readers call it. */
  readonly label: string;
  /** The window changed, by whatever means. */
  readonly onView: (view: View) => void;
  /** A span was clicked, or a place without. */
  readonly onPick: (span: SpanKey | null) => void;
  /** A window was drawn, on so many device pixels. */
  readonly onDraw: (view: View, pixels: number) => void;
  /** An area was dragged out. */
  readonly onArea: (area: Area) => void;
  readonly ranks: Omit<RankToolActions, "reveal">;
}

/** Milliseconds that a window stands still before the card says what has come under the pointer. */
const RESTING = 80;

/** Tallest timeline on the page, as a share of the window's height; more lanes scroll inside. */
const TALLEST = 0.8;

export class Timeline {
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly #overlay = el("canvas", { class: "overlay", "aria-hidden": "true" });
  readonly #card = new HoverCard();
  readonly #painter: Painter;
  readonly #gestures: Gestures;
  #lanes: readonly LaneView[] = [];
  #layout: Layout = layoutLanes([]);
  #length = 1;
  #view: View = { from: 0, to: 1 };
  #scroll: Scroll = { scrollY: 0, fixed: 0 };
  #theme: CanvasTheme;
  readonly #tools: RankTools;
  #arrangement: Arrangement = AS_RECORDED;
  #hidden: ReadonlySet<string> = new Set();
  #hits: Hits | null = null;
  #area: Area | null = null;
  /** Where a drag for an area began, and the area so far. */
  #corner: { readonly time: number; readonly rank: number } | null = null;
  #draft: Area | null = null;
  #hovered: SpanRef | null = null;
  #selection: Selection | null = null;
  #pointer: { x: number; y: number } | null = null;
  #frame = 0;
  #resting: number | undefined;
  #stale = { lanes: true, pointer: false };

  constructor(readonly options: TimelineOptions) {
    this.canvas = el("canvas", {
      tabindex: "0",
      role: "application",
      "aria-label": `${options.label}. Arrow keys move between spans, question mark lists all keys.`,
    });
    this.#tools = new RankTools({ ...options.ranks, reveal: (rank) => this.#revealRank(rank) });
    this.element = el(
      "div",
      { class: "timeline" },
      this.canvas,
      this.#overlay,
      this.#tools.element,
      this.#card.element,
    );

    this.#theme = readTheme();
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("This browser has no 2D canvas.");
    this.#painter = new Painter(context);
    this.#gestures = attachGestures({
      canvas: this.canvas,
      length: () => this.#length,
      view: () => this.#view,
      onView: (view) => this.#moved(clampView(view, this.#length)),
      onScroll: (pixels) => this.#scrollBy(pixels),
    });
    this.canvas.addEventListener("pointermove", (event) => this.#point(event.offsetX, event.offsetY));
    this.canvas.addEventListener("pointerleave", () => this.#point(null, 0));
    this.#attachArea();
    this.canvas.addEventListener("click", (event) => {
      if (event.shiftKey) return;
      this.#point(event.offsetX, event.offsetY);
      this.#look();
      this.options.onPick(this.#hovered && spanKey(this.#hovered));
    });
    new ResizeObserver(() => this.#resize()).observe(this.element);
    onThemeChange(() => {
      this.#theme = readTheme();
      this.redraw();
    });
  }

  get lanes(): readonly LaneView[] {
    return this.#lanes;
  }

  get view(): View {
    return this.#view;
  }

  get selected(): SpanRef | null {
    return this.#selection?.span ?? null;
  }

  /** Time under the pointer, or the middle of the window. */
  get focusTime(): number {
    const { from, to } = this.#view;
    return this.#pointer ? this.#timeAt(this.#pointer.x) : (from + to) / 2;
  }

  /** Where the ranks that are seen stand under the header. */
  get rankPlaces(): { readonly rank: number; readonly y: number }[] {
    const { fixed } = this.#scroll;
    return this.#layout.ranks
      .map(({ rank, y }) => ({ rank, y: seenAt(y, this.#scroll), least: y < fixed ? 0 : fixed }))
      .filter(({ y, least }) => y >= least && y <= this.canvas.clientHeight - HEADER);
  }

  get area(): Area | null {
    return this.#area;
  }

  setHits(hits: Hits | null): void {
    this.#hits = hits;
    this.redraw();
  }

  setArea(area: Area | null): void {
    this.#area = area;
    this.#schedule();
  }

  arrange(arrangement: Arrangement): void {
    this.#arrangement = arrangement;
    this.#layout = layoutLanes(this.#lanes, arrangement);
    this.#resize();
  }

  setLanes(lanes: readonly LaneView[]): void {
    this.#lanes = lanes;
    this.#layout = layoutLanes(lanes, this.#arrangement);
    this.#hovered = null;
    this.#resize();
  }

  /** Sets what is shown when nothing is zoomed: `length` nanoseconds. */
  setLength(length: number): void {
    this.#length = Math.max(1, length);
    this.show({ from: 0, to: this.#length });
  }

  /** Shows `view` without telling `onView`, for a timeline linked to another. */
  show(view: View): void {
    this.#view = clampView(view, this.#length);
    this.#gestures.sync();
    this.redraw();
  }

  /** Shows `view` and tells. */
  go(view: View): void {
    this.#moved(clampView(view, this.#length));
    this.#gestures.sync();
  }

  setHidden(kinds: ReadonlySet<string>): void {
    this.#hidden = kinds;
    this.redraw();
  }

  select(selection: Selection | null): void {
    this.#selection = selection;
    this.#schedule();
  }

  /** The spans of the selected collective, one a rank. */
  get linked(): readonly SpanRef[] {
    return this.#selection?.linked ?? [];
  }

  /** Scrolls and pans so that `span` is on the screen. */
  reveal(span: SpanRef): void {
    const row = span.lane.rows[span.depth]?.row;
    const start = row?.start[span.position] ?? 0;
    const end = row?.end[span.position] ?? 0;
    const { from, to } = this.#view;
    if (end < from || start > to || end - start > to - from) {
      const half = Math.max((to - from) / 2, end - start);
      this.go({ from: (start + end) / 2 - half, to: (start + end) / 2 + half });
    }
    const band = this.#layout.bands.find(({ lane, depth }) => sameLane(lane, span.lane) && depth === span.depth);
    if (band) this.#revealBand(band);
  }

  #revealRank(rank: number): void {
    const band = this.#layout.ranks.find((candidate) => candidate.rank === rank);
    if (band) this.#revealBand(band);
  }

  #revealBand({ y, height }: { readonly y: number; readonly height: number }): void {
    const { fixed } = this.#scroll;
    const seen = seenAt(y, this.#scroll);
    const inside = this.canvas.clientHeight - HEADER;
    if (y < fixed) return;
    if (seen < fixed) this.#scrollBy(seen - fixed - 8);
    else if (seen + height > inside) this.#scrollBy(seen + height - inside + 8);
  }

  /** Draws everything again at the next frame. */
  redraw(): void {
    this.#stale.lanes = true;
    this.#schedule();
  }

  /** Shift and a drag: a stretch of time on the ranks that it crosses. */
  #attachArea(): void {
    const cornerAt = (event: PointerEvent): { time: number; rank: number } => ({
      time: Math.min(Math.max(0, this.#timeAt(event.offsetX)), this.#length),
      rank: rankAt(this.#layout, layoutAt(event.offsetY - HEADER, this.#scroll)),
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      if (!event.shiftKey || event.button !== 0 || event.offsetX < GUTTER) return;
      this.#corner = cornerAt(event);
      this.canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.#corner) return;
      const { time, rank } = cornerAt(event);
      this.#draft = {
        from: Math.min(this.#corner.time, time),
        to: Math.max(this.#corner.time, time),
        firstRank: Math.min(this.#corner.rank, rank),
        lastRank: Math.max(this.#corner.rank, rank),
      };
    });
    const end = (): void => {
      this.#corner = null;
      this.#draft = null;
      this.#schedule();
    };
    this.canvas.addEventListener("pointerup", () => {
      if (this.#draft && this.#draft.to > this.#draft.from) this.options.onArea(this.#draft);
      end();
    });
    this.canvas.addEventListener("pointercancel", end);
  }

  #moved(view: View): void {
    this.#view = view;
    this.redraw();
    this.options.onView(view);
  }

  #scrollBy(pixels: number): void {
    const inside = this.canvas.clientHeight - HEADER;
    const scrollY = Math.min(Math.max(0, this.#scroll.scrollY + pixels), Math.max(0, this.#layout.height - inside));
    this.#scroll = { scrollY, fixed: fixedHeight(this.#layout, this.#arrangement, inside) };
    this.redraw();
  }

  #resize(): void {
    const height = Math.min(HEADER + this.#layout.height, Math.max(240, Math.round(innerHeight * TALLEST)));
    this.element.style.height = `${height}px`;
    const dpr = devicePixelRatio || 1;
    const width = this.element.clientWidth;
    for (const canvas of [this.canvas, this.#overlay]) {
      if (canvas.width !== Math.round(width * dpr) || canvas.height !== Math.round(height * dpr)) {
        canvas.width = Math.round(width * dpr);
        canvas.height = Math.round(height * dpr);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
    }
    this.#gestures.sync();
    this.#scrollBy(0);
  }

  #timeAt(x: number): number {
    const { from, to } = this.#view;
    return from + ((x - GUTTER) / Math.max(1, this.canvas.clientWidth - GUTTER)) * (to - from);
  }

  #point(x: number | null, y: number): void {
    this.#pointer = x === null || x < GUTTER ? null : { x, y };
    this.#stale.pointer = true;
    this.#schedule();
  }

  /** Says what is under the pointer. */
  #look(): void {
    this.#stale.pointer = false;
    const pointer = this.#pointer;
    const hit = pointer && this.#hit(pointer.x, pointer.y);
    this.#hovered = hit?.span ?? null;
    this.canvas.style.cursor = hit ? "pointer" : "";
    if (!hit || !pointer) {
      this.#card.hide();
      return;
    }
    const { left, top } = this.canvas.getBoundingClientRect();
    this.#card.show(hit.span, hit.merged, left + pointer.x, top + pointer.y);
  }

  /** While the window moves, what the card says is under the pointer no longer is: it waits until the window rests. */
  #lookLater(): void {
    this.#card.hide();
    clearTimeout(this.#resting);
    this.#resting = window.setTimeout(() => {
      this.#stale.pointer = true;
      this.#schedule();
    }, RESTING);
  }

  /** The span drawn at a point: the one under it, else the longest that starts within its pixel or the two beside it. */
  #hit(x: number, y: number): { span: SpanRef; merged: number } | null {
    const band = y < HEADER ? null : bandAt(this.#layout, layoutAt(y - HEADER, this.#scroll));
    const forest = band?.lane.rows[band.depth];
    if (!band || !forest) return null;
    const { row } = forest;
    const from = this.#timeAt(x - 1);
    const to = this.#timeAt(x + 2);
    const exact = spanAt(row, this.#timeAt(x + 0.5));
    const exactWide = exact >= 0 && (row.end[exact] ?? 0) - (row.start[exact] ?? 0) > to - from;
    const first = upperBound(row.end, from);
    const after = lowerBound(row.start, to);
    const position = exactWide ? exact : after - first <= 1 && exact >= 0 ? exact : longestIn(forest, first, after);
    if (position < 0) return null;
    const merged = exactWide ? spansIn(row, exact, exact + 1) : spansIn(row, first, after);
    return { span: spanRef(band.lane, band.depth, position), merged };
  }

  #schedule(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const scene: Scene = {
      width: this.canvas.clientWidth,
      height: this.canvas.clientHeight,
      dpr: devicePixelRatio || 1,
      view: this.#view,
      layout: this.#layout,
      ...this.#scroll,
      theme: this.#theme,
      hidden: this.#hidden,
      hits: this.#hits,
    };
    if (scene.width <= GUTTER) return;
    if (this.#stale.pointer && !this.#stale.lanes) this.#look();
    if (this.#stale.lanes) {
      if (this.#pointer || this.#stale.pointer) this.#lookLater();
      this.#painter.draw(scene);
      this.#tools.show(this.#layout, this.#arrangement, this.#scroll, scene.height);
      this.options.onDraw(this.#view, (scene.width - GUTTER) * scene.dpr);
    }
    const context = this.#overlay.getContext("2d");
    if (context) {
      drawOverlay(context, scene, {
        hovered: this.#hovered,
        selected: this.selected,
        linked: this.linked,
        pointer: this.#pointer ? this.#timeAt(this.#pointer.x) : null,
        area: this.#draft ?? this.#area,
      });
    }
    this.#stale = { lanes: false, pointer: false };
  }
}

export function ranksOf(lanes: readonly LaneView[]): number[] {
  return [...new Set(lanes.map(({ rank }) => rank))];
}
