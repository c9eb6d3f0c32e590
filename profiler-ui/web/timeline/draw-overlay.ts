/** Over the lanes: what the pointer is on, what is selected, and the selected collective on all ranks. */

import { streamName } from "../../trace/kinds";
import type { Area } from "./area";
import type { Scene } from "./draw";
import type { SpanRef } from "../../trace/lane-view";
import { GUTTER, HEADER, seenAt } from "./layout";

export interface Overlay {
  readonly hovered: SpanRef | null;
  readonly selected: SpanRef | null;
  /** Spans of the selected collective, one a rank. */
  readonly linked: readonly SpanRef[];
  /** Time under the pointer, null when it is elsewhere. */
  readonly pointer: number | null;
  readonly area: Area | null;
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function drawOverlay(context: CanvasRenderingContext2D, scene: Scene, overlay: Overlay): void {
  const { width, height, dpr, theme } = scene;
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.clearRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(GUTTER, HEADER, width - GUTTER, height - HEADER);
  context.clip();
  if (overlay.area) drawArea(context, scene, overlay.area);
  if (overlay.pointer !== null) drawPointer(context, scene, overlay.pointer);
  if (overlay.linked.length > 1) {
    drawLinks(context, scene, overlay.linked);
    drawFlow(context, scene, overlay.linked);
  }
  for (const linked of overlay.linked) outline(context, boxOf(scene, linked), theme.accent, 1.5);
  if (overlay.selected) outline(context, boxOf(scene, overlay.selected), theme.accent, 2.5);
  if (overlay.hovered) outline(context, boxOf(scene, overlay.hovered), theme.text, 1);
  context.restore();
  drawThumb(context, scene);
}

/** Where the window stands among lanes that do not all fit. */
function drawThumb(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, layout, scrollY, fixed, theme } = scene;
  const inside = height - HEADER - fixed;
  const lanes = layout.height - fixed;
  if (lanes <= inside + 1) return;
  context.fillStyle = theme.muted;
  context.globalAlpha = 0.55;
  context.beginPath();
  context.roundRect(width - 5, HEADER + fixed + (scrollY / lanes) * inside, 4, (inside / lanes) * inside, 2);
  context.fill();
  context.globalAlpha = 1;
}

function drawPointer(context: CanvasRenderingContext2D, { view, width, height, theme }: Scene, time: number): void {
  const x = Math.round(GUTTER + ((time - view.from) / (view.to - view.from)) * (width - GUTTER)) + 0.5;
  context.strokeStyle = theme.muted;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(x, HEADER);
  context.lineTo(x, height);
  context.stroke();
  context.setLineDash([]);
}

/** Joins the ranks' starts and their ends: starts show who came late, ends should meet. */
function drawLinks(context: CanvasRenderingContext2D, scene: Scene, linked: readonly SpanRef[]): void {
  const boxes = linked.map((span) => boxOf(scene, span)).filter((box) => box !== null);
  context.fillStyle = context.strokeStyle = scene.theme.accent;
  context.lineWidth = 1.25;
  for (const edge of [(box: Box) => box.x, (box: Box) => box.x + box.width]) {
    context.beginPath();
    boxes.forEach((box, k) => {
      if (k === 0) context.moveTo(edge(box), box.y);
      context.lineTo(edge(box), box.y);
      context.lineTo(edge(box), box.y + box.height);
    });
    context.globalAlpha = 0.75;
    context.stroke();
  }
  context.globalAlpha = 0.1;
  context.beginPath();
  for (const box of boxes) {
    context.lineTo(box.x, box.y);
    context.lineTo(box.x, box.y + box.height);
  }
  for (const box of [...boxes].reverse()) {
    context.lineTo(box.x + box.width, box.y + box.height);
    context.lineTo(box.x + box.width, box.y);
  }
  context.fill();
  context.globalAlpha = 1;
}

/** Arrows from the rank that came last to those that had waited for it: from then on data flows. */
function drawFlow(context: CanvasRenderingContext2D, scene: Scene, linked: readonly SpanRef[]): void {
  const startOf = ({ lane, index }: SpanRef): number => lane.events.startNs[index] ?? 0;
  const late = linked.reduce((last, span) => (startOf(span) > startOf(last) ? span : last));
  const from = boxOf(scene, late);
  if (!from) return;
  context.strokeStyle = context.fillStyle = scene.theme.text;
  context.lineWidth = 1.25;
  for (const span of linked) {
    const to = span === late ? null : boxOf(scene, span);
    if (!to) continue;
    const down = to.y > from.y;
    const x = from.x;
    const y0 = down ? from.y + from.height : from.y;
    const y1 = down ? to.y : to.y + to.height;
    const bend = Math.min(22, Math.abs(y1 - y0) / 3);
    const tip = x + 10;
    context.beginPath();
    context.moveTo(x, y0);
    context.bezierCurveTo(x - bend, y0 + (down ? bend : -bend), tip - bend, y1 - (down ? bend : -bend), tip, y1);
    context.stroke();
    const side = down ? -1 : 1;
    context.beginPath();
    context.moveTo(tip, y1);
    context.lineTo(tip - 7, y1 + side * 4);
    context.lineTo(tip - 3, y1 + side * 8);
    context.fill();
  }
}

function drawArea(context: CanvasRenderingContext2D, scene: Scene, area: Area): void {
  const { layout, view, width, theme } = scene;
  const ranks = layout.ranks.filter(({ rank }) => rank >= area.firstRank && rank <= area.lastRank);
  const perNs = (width - GUTTER) / (view.to - view.from);
  const left = GUTTER + Math.max(-10, (area.from - view.from) * perNs);
  const right = GUTTER + Math.min(width, (area.to - view.from) * perNs);
  context.fillStyle = context.strokeStyle = theme.accent;
  context.lineWidth = 1;
  for (const rank of ranks) {
    const { y, height } = visiblePart(scene, rank.y, rank.height);
    if (height <= 0) continue;
    context.globalAlpha = 0.14;
    context.fillRect(left, y - 3, right - left, height + 6);
    context.globalAlpha = 0.9;
    context.strokeRect(left + 0.5, y - 2.5, right - left - 1, height + 5);
  }
  context.globalAlpha = 1;
}

/** Where something at `y` of the layout is seen on the canvas; what is scrolled under the pinned ranks has no height. */
function visiblePart(scene: Scene, y: number, height: number): { readonly y: number; readonly height: number } {
  const seen = seenAt(y, scene);
  const top = y < scene.fixed ? seen : Math.max(seen, scene.fixed);
  return { y: HEADER + top, height: Math.max(0, seen + height - top) };
}

function boxOf(scene: Scene, { lane, depth, position }: SpanRef): Box | null {
  const { layout, view, width } = scene;
  const band = layout.bands.find(
    (candidate) =>
      candidate.lane.rank === lane.rank && candidate.lane.stream === lane.stream && candidate.depth === depth,
  );
  const row = lane.rows[depth]?.row;
  if (!band || !row) return null;
  const perNs = (width - GUTTER) / (view.to - view.from);
  // Far outside the window coordinates would lose their precision; the clip hides what is cut here.
  const left = Math.max(-10, ((row.start[position] ?? 0) - view.from) * perNs);
  const right = Math.min(width + 10, ((row.end[position] ?? 0) - view.from) * perNs);
  return {
    x: GUTTER + left,
    width: Math.max(1.5, right - left),
    ...visiblePart(scene, band.y, band.height - 1),
  };
}

function outline(context: CanvasRenderingContext2D, box: Box | null, colour: string, line: number): void {
  if (!box || box.height === 0) return;
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.strokeRect(box.x - line / 2, box.y - line / 2, box.width + line, box.height + line);
}

/** "rank 1 · communication" */
export function placeOf({ rank, stream }: SpanRef["lane"]): string {
  return `rank ${rank} · ${streamName(stream)}`;
}
