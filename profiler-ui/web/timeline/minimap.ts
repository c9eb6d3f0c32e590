/** The whole run in a strip above the timeline: what each rank did, where the search has hits, which window is seen. */

import { bucketNs, visitVisible } from "../../trace/level-of-detail";
import { el } from "../dom";
import { onThemeChange } from "../page";
import type { Hits } from "../../trace/hits";
import type { LaneView } from "../../trace/lane-view";
import { GUTTER } from "./layout";
import { paintsOf, readTheme, type CanvasTheme } from "./theme";
import { clampView, type View } from "./view";

const RANK_HEIGHT = 7;
const HIT_HEIGHT = 4;
const MOST = 64;

export interface MinimapActions {
  readonly go: (view: View) => void;
}

export class Minimap {
  readonly element: HTMLElement;
  readonly #canvas = el("canvas", { "aria-hidden": "true", class: "minimap" });
  readonly #picture = document.createElement("canvas");
  #lanes: readonly LaneView[] = [];
  #hits: Hits | null = null;
  #length = 1;
  #view: View = { from: 0, to: 1 };
  #theme: CanvasTheme = readTheme();
  #grip: { readonly at: number; readonly view: View } | null = null;

  constructor(readonly actions: MinimapActions) {
    this.element = el("div", { class: "minimap-frame", title: "The whole run: drag to move the window" }, this.#canvas);
    new ResizeObserver(() => this.#redraw()).observe(this.element);
    onThemeChange(() => {
      this.#theme = readTheme();
      this.#redraw();
    });
    this.#canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#drag(event));
    this.#canvas.addEventListener("pointerup", () => (this.#grip = null));
    this.#canvas.addEventListener("pointercancel", () => (this.#grip = null));
  }

  setLanes(lanes: readonly LaneView[], length: number): void {
    this.#lanes = lanes;
    this.#length = length;
    this.#redraw();
  }

  setHits(hits: Hits | null): void {
    this.#hits = hits;
    this.#redraw();
  }

  setView(view: View): void {
    this.#view = view;
    this.#frame();
  }

  get #height(): number {
    const ranks = new Set(this.#lanes.map(({ rank }) => rank)).size;
    return Math.min(MOST, Math.max(2, ranks) * RANK_HEIGHT) + HIT_HEIGHT;
  }

  /** Draws the run once; the window is then drawn over a copy. */
  #redraw(): void {
    const width = this.element.clientWidth;
    if (width <= GUTTER) return;
    const dpr = devicePixelRatio || 1;
    const height = this.#height;
    this.element.style.height = `${height}px`;
    for (const canvas of [this.#canvas, this.#picture]) {
      canvas.width = Math.round(width * dpr);
      canvas.height = Math.round(height * dpr);
    }
    this.#canvas.style.width = `${width}px`;
    this.#canvas.style.height = `${height}px`;
    const context = this.#picture.getContext("2d", { alpha: false });
    if (!context) return;
    context.scale(dpr, dpr);
    context.fillStyle = this.#theme.surface;
    context.fillRect(0, 0, width, height);
    const ranks = [...new Set(this.#lanes.map(({ rank }) => rank))];
    const rankHeight = (height - HIT_HEIGHT) / Math.max(1, ranks.length);
    const bucket = bucketNs(this.#length / ((width - GUTTER) * dpr));
    const perNs = (width - GUTTER) / this.#length;
    for (const lane of this.#lanes) {
      const [forest] = lane.rows;
      if (lane.stream === 2 || !forest) continue;
      const paints = paintsOf(lane, 0, this.#theme, new Set());
      const half = Math.max(1, Math.floor((rankHeight - 1) / 2));
      const y = ranks.indexOf(lane.rank) * rankHeight + (lane.stream === 0 ? 0 : half);
      visitVisible(forest, 0, this.#length, bucket, (position, _count, start, end, cover) => {
        const code = lane.events.kind.codes[forest.row.index[position] ?? 0] ?? 0;
        context.fillStyle = paints[code]?.css ?? "";
        context.globalAlpha = 0.25 + 0.75 * cover;
        context.fillRect(GUTTER + start * perNs, y, Math.max(1 / dpr, (end - start) * perNs), half);
      });
    }
    context.globalAlpha = 1;
    context.fillStyle = this.#theme.accent;
    for (const { rows } of this.#hits?.lanes ?? []) {
      for (const forest of rows) {
        visitVisible(forest, 0, this.#length, bucket, (_position, _count, start, end) => {
          context.fillRect(
            GUTTER + start * perNs,
            height - HIT_HEIGHT + 1,
            Math.max(1, (end - start) * perNs),
            HIT_HEIGHT - 1,
          );
        });
      }
    }
    this.#frame();
  }

  #frame(): void {
    const context = this.#canvas.getContext("2d");
    const width = this.element.clientWidth;
    if (!context || width <= GUTTER || this.#picture.width === 0) return;
    const dpr = devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(this.#picture, 0, 0);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    const height = this.#height;
    const perNs = (width - GUTTER) / this.#length;
    const left = GUTTER + this.#view.from * perNs;
    const right = Math.max(left + 3, GUTTER + this.#view.to * perNs);
    context.fillStyle = this.#theme.surface;
    context.globalAlpha = 0.65;
    context.fillRect(GUTTER, 0, left - GUTTER, height);
    context.fillRect(right, 0, width - right, height);
    context.globalAlpha = 1;
    context.strokeStyle = this.#theme.accent;
    context.lineWidth = 1.5;
    context.strokeRect(
      Math.min(left, width - 4) + 0.75,
      0.75,
      Math.max(2.5, Math.min(right, width) - left - 1.5),
      height - 1.5,
    );
  }

  #timeAt(x: number): number {
    return ((x - GUTTER) / Math.max(1, this.element.clientWidth - GUTTER)) * this.#length;
  }

  #begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    const at = this.#timeAt(event.offsetX);
    const { from, to } = this.#view;
    if (at < from || at > to)
      this.actions.go(clampView({ from: at - (to - from) / 2, to: at + (to - from) / 2 }, this.#length));
    this.#grip = { at, view: this.#view };
    this.#canvas.setPointerCapture(event.pointerId);
  }

  #drag(event: PointerEvent): void {
    if (!this.#grip) return;
    const by = this.#timeAt(event.offsetX) - this.#grip.at;
    const { from, to } = this.#grip.view;
    const start = Math.min(Math.max(0, from + by), this.#length - (to - from));
    this.actions.go({ from: start, to: start + to - from });
  }
}
