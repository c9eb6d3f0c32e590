/**
 * Drawing a window of a run. What is narrower than a few pixels goes into one image of a line a row, which is then
 * stretched to the rows' heights: a million spans cost as much as a screen of them. Wider ones are rectangles with
 * pattern and text.
 */

import { KINDS } from "../../trace/kinds";
import { bucketNs, visitVisible, type Forest } from "../../trace/level-of-detail";
import { formatTime } from "../../trace/format";
import { wirePattern } from "../../trace/palette";
import { drawGrid, drawHeader } from "./draw-header";
import type { Hits } from "../../trace/hits";
import { sameLane, type LaneView } from "../../trace/lane-view";
import { GUTTER, HEADER, seenAt, type Band, type Layout, type Scroll } from "./layout";
import { patternFor } from "./patterns";
import { paintsOf, type CanvasTheme, type Paint } from "./theme";
import type { View } from "./view";

/** All that a frame depends on. Lengths in CSS pixels. */
export interface Scene extends Scroll {
  readonly width: number;
  readonly height: number;
  readonly dpr: number;
  readonly view: View;
  readonly layout: Layout;
  readonly theme: CanvasTheme;
  readonly hidden: ReadonlySet<string>;
  /** What a search found: the rest stands back. */
  readonly hits: Hits | null;
}

/** Narrowest rectangle drawn by itself, in device pixels. */
const NARROW = 3;

const EVERY_KIND: ReadonlySet<string> = new Set(KINDS);

/** Narrowest span that gets a text. */
const TEXT_WIDTH = 30;

/** The line under the ranks that stand still. */
function drawEdge(context: CanvasRenderingContext2D, { width, fixed, theme }: Scene): void {
  context.fillStyle = theme.muted;
  context.fillRect(0, HEADER + fixed - 1, width, 1);
}

/** Draws frames onto one canvas; holds the image of dense rows between them. */
export class Painter {
  readonly #strip = document.createElement("canvas");
  readonly #widths = new Map<string, number>();
  #image: ImageData | undefined;

  constructor(readonly context: CanvasRenderingContext2D) {}

  draw(scene: Scene): void {
    const { context } = this;
    const { height, dpr, layout, fixed } = scene;
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    const bottom = height - HEADER;
    const scrolled = layout.bands.filter(({ y }) => y >= fixed);
    this.#drawBands(scene, scrolled, fixed, bottom);
    if (fixed > 0) {
      const still = layout.bands.filter(({ y }) => y < fixed);
      this.#drawBands(scene, still, 0, fixed);
      drawEdge(context, scene);
    }
    drawHeader(context, scene);
  }

  /** Draws those of `bands` that are seen between two heights under the header. */
  #drawBands(scene: Scene, bands: readonly Band[], top: number, bottom: number): void {
    const { context } = this;
    const { width, theme } = scene;
    const visible = bands.filter(({ y, height }) => {
      const seen = seenAt(y, scene);
      return seen + height > top && seen < bottom;
    });
    context.save();
    context.beginPath();
    context.rect(0, HEADER + top, width, bottom - top);
    context.clip();
    context.fillStyle = theme.surface;
    context.fillRect(0, HEADER + top, width, bottom - top);
    context.fillStyle = theme.band;
    for (const { y, height } of visible)
      context.fillRect(GUTTER, HEADER + seenAt(y, scene), width - GUTTER, height - 1);
    drawGrid(context, scene);
    this.#drawSpans(scene, visible);
    this.#drawLabels(scene, visible);
    context.restore();
  }

  #drawSpans(scene: Scene, bands: readonly Band[]): void {
    const { width, dpr, view, theme, hidden } = scene;
    const columns = Math.max(1, Math.floor((width - GUTTER) * dpr));
    const image = this.#imageOf(columns, Math.max(1, bands.length));
    const pixels = new Uint32Array(image.data.buffer);
    pixels.fill(0, 0, columns * bands.length);
    const perNs = columns / (view.to - view.from);
    const bucket = bucketNs(1 / perNs);
    const { context } = this;
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    // Wide spans are drawn after the image, which would cover them where it is not empty.
    const wide: (() => void)[] = [];
    const paintRow = (band: Band, lane: LaneView, line: number, forest: Forest, paints: readonly Paint[]): void => {
      const { codes } = lane.events.kind;
      const { index } = forest.row;
      visitVisible(forest, view.from, view.to, bucket, (position, count, start, end, cover) => {
        const left = Math.max(0, (start - view.from) * perNs);
        const right = Math.min(columns, (end - view.from) * perNs);
        const i = index[position] ?? 0;
        const paint = paints[codes[i] ?? 0];
        if (!paint || right < 0) return;
        if (count > 1 || right - left < NARROW) {
          const first = Math.floor(left);
          const after = Math.min(columns, Math.max(first + 1, Math.floor(right)));
          // How much of the pixel is busy shows in its opacity, never so little that a lone span disappears.
          const pixel = ((60 + 195 * cover) << 24) | paint.pixel;
          pixels.fill(pixel, line * columns + first, line * columns + after);
        } else {
          wide.push(() => this.#drawSpan(scene, { ...band, lane }, i, paint, left / dpr, (right - left) / dpr));
        }
      });
    };
    bands.forEach((band, line) => {
      const { lane, depth } = band;
      const forest = lane.rows[depth];
      if (!forest) return;
      paintRow(band, lane, line, forest, paintsOf(lane, depth, theme, scene.hits ? EVERY_KIND : hidden));
      const found = scene.hits?.lanes.find((candidate) => sameLane(candidate, lane));
      const hits = found?.rows[depth];
      if (found && hits) paintRow(band, found, line, hits, paintsOf(found, depth, theme, hidden));
    });
    this.#strip.getContext("2d")?.putImageData(image, 0, 0, 0, 0, columns, bands.length);
    context.imageSmoothingEnabled = false;
    bands.forEach(({ y, height }, line) => {
      const top = HEADER + seenAt(y, scene);
      context.drawImage(this.#strip, 0, line, columns, 1, GUTTER, top, columns / dpr, height - 1);
    });
    for (const draw of wide) draw();
  }

  #drawSpan(scene: Scene, { lane, depth, y, height }: Band, i: number, paint: Paint, left: number, wide: number): void {
    const { context } = this;
    const x = GUTTER + left;
    const top = HEADER + seenAt(y, scene);
    const w = wide - Math.min(1, wide / 4); // a gap, so that equal neighbours stay distinct
    context.fillStyle = paint.css;
    context.fillRect(x, top, w, height - 1);
    const { events, stream } = lane;
    if (stream === 2) return;
    const pattern = wirePattern(events.wireType.texts[events.wireType.codes[i] ?? 0] ?? "");
    const patterned = pattern !== "none" && depth === 0 && w > 4;
    if (patterned) {
      context.fillStyle = patternFor(context, pattern);
      context.fillRect(x, top, w, height - 1);
    }
    if (w < TEXT_WIDTH || height < 12) return;
    const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
    const text = this.#fit(name, w - 8, events.durNs[i] ?? 0);
    if (text === "") return;
    if (patterned) {
      context.fillStyle = paint.css;
      context.fillRect(x + 1, top + 2, context.measureText(text).width + 6, height - 5);
    }
    context.fillStyle = paint.ink;
    context.fillText(text, x + 4, top + (height - 1) / 2 + 0.5);
  }

  /** As much of a name as fits into `width`, with the duration behind it where there is room for both. */
  #fit(name: string, width: number, durNs: number): string {
    const whole = this.#widthOf(name);
    if (whole > width) {
      for (let letters = Math.floor((name.length * width) / whole); letters >= 3; letters--) {
        const short = `${name.slice(0, letters)}…`;
        if (this.#widthOf(short) <= width) return short;
      }
      return "";
    }
    if (width < whole + 58) return name;
    return `${name}   ${formatTime(durNs)}`;
  }

  #widthOf(text: string): number {
    let width = this.#widths.get(text);
    if (width === undefined) this.#widths.set(text, (width = this.context.measureText(text).width));
    return width;
  }

  #drawLabels(scene: Scene, bands: readonly Band[]): void {
    const { context } = this;
    const { theme } = scene;
    context.textBaseline = "middle";
    context.font = `11px ${theme.font}`;
    context.fillStyle = theme.muted;
    context.textAlign = "right";
    for (const { lane, depth, y, height } of bands) {
      if (depth > 0 || lane.stream === 2 || height < 12) continue;
      const name = ["compute", "comm"][lane.stream] ?? `stream ${lane.stream}`;
      context.fillText(name, GUTTER - 9, HEADER + seenAt(y, scene) + 10);
    }
    context.textAlign = "left";
  }

  /** An image of at least that many lines. */
  #imageOf(width: number, height: number): ImageData {
    if (!this.#image || this.#image.width !== width || this.#image.height < height) {
      this.#image = new ImageData(width, height);
      this.#strip.width = width;
      this.#strip.height = height;
    }
    return this.#image;
  }
}
