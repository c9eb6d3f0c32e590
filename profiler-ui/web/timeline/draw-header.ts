/** Above the lanes: phases, steps and the time axis. */

import { bucketNs, visitVisible, type Forest } from "../../trace/level-of-detail";
import { timeTicks } from "../../trace/ticks";
import type { Scene } from "./draw";
import type { LaneView } from "../../trace/lane-view";
import { GUTTER, HEADER, type Layout } from "./layout";

const PHASE_HEIGHT = 15;
const STEP_HEIGHT = 14;

export function drawHeader(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, theme } = scene;
  context.fillStyle = theme.surface;
  context.fillRect(0, 0, width, HEADER);
  context.font = `11px ${theme.font}`;
  context.textBaseline = "middle";
  context.fillStyle = theme.muted;
  const steps = stepLane(scene.layout);
  if (steps) {
    context.textAlign = "right";
    context.fillText("phase", GUTTER - 9, PHASE_HEIGHT / 2 + 0.5);
    context.fillText("step", GUTTER - 9, PHASE_HEIGHT + STEP_HEIGHT / 2 + 1);
    context.textAlign = "left";
  }
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, width - GUTTER, scene.height);
  context.clip();
  if (steps) drawSteps(context, scene, steps.lane, steps.forest);
  drawAxis(context, scene);
  context.restore();
}

/** The steps of the first rank that has any; the ranks go through them together. */
function stepLane(layout: Layout): { lane: LaneView; forest: Forest } | null {
  const band = layout.bands.find(({ lane, depth }) => lane.stream === 2 && depth === 0);
  const forest = band?.lane.rows[0];
  return band && forest ? { lane: band.lane, forest } : null;
}

function drawSteps(context: CanvasRenderingContext2D, scene: Scene, lane: LaneView, forest: Forest): void {
  const { view, width, theme } = scene;
  const perNs = (width - GUTTER) / (view.to - view.from);
  const { events } = lane;
  /** Neighbouring steps of one phase and notebook cell make one band. */
  let phase: PhaseBand = { text: "", cell: -1, left: 0, right: 0 };
  const endPhase = (): void => {
    if (phase.text !== "") drawPhase(context, scene, phase);
  };
  visitVisible(forest, view.from, view.to, bucketNs(1 / perNs), (position, count, start, end) => {
    const i = forest.row.index[position] ?? 0;
    const left = GUTTER + (start - view.from) * perNs;
    const right = GUTTER + (end - view.from) * perNs;
    const text = events.phase.texts[events.phase.codes[i] ?? 0] ?? "";
    const cell = events.cell[i] ?? -1;
    if (text === phase.text && cell === phase.cell) {
      phase.right = right;
    } else {
      endPhase();
      phase = { text, cell, left, right };
    }
    const step = events.step[i] ?? 0;
    const wide = count === 1 && right - left > 4;
    context.fillStyle = text === "prefill" ? theme.prefill : theme.decode;
    context.globalAlpha = wide ? (step % 2 === 0 ? 0.7 : 0.4) : 0.55;
    context.fillRect(left, PHASE_HEIGHT + 1, Math.max(0.5, right - left - (wide ? 1 : 0)), STEP_HEIGHT - 1);
    context.globalAlpha = 1;
    const visibleLeft = Math.max(left, GUTTER);
    if (wide && Math.min(right, width) - visibleLeft > 8 * String(step).length + 4) {
      context.fillStyle = theme.text;
      context.fillText(String(step), visibleLeft + 4, PHASE_HEIGHT + STEP_HEIGHT / 2 + 1);
    }
  });
  endPhase();
}

interface PhaseBand {
  readonly text: string;
  /** Notebook cell, -1 outside notebooks. */
  readonly cell: number;
  readonly left: number;
  right: number;
}

function drawPhase(
  context: CanvasRenderingContext2D,
  { theme, width }: Scene,
  { text: phase, cell, left, right }: PhaseBand,
): void {
  const text = cell < 0 ? phase : `${phase} · cell ${cell}`;
  context.fillStyle = phase === "prefill" ? theme.prefill : theme.decode;
  context.fillRect(left, 0, Math.max(1, right - left - 1), PHASE_HEIGHT);
  // The name stays on the screen as long as a part of its band does.
  const visibleLeft = Math.max(left, GUTTER);
  if (Math.min(right, width) - visibleLeft < 7 * text.length + 8) return;
  context.fillStyle = theme.text;
  context.fillText(text, visibleLeft + 5, PHASE_HEIGHT / 2 + 0.5);
}

function drawAxis(context: CanvasRenderingContext2D, scene: Scene): void {
  context.fillStyle = scene.theme.muted;
  for (const { x, text } of axisMarks(scene)) {
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(x - half, GUTTER + 2), scene.width - 2 * half - 2), HEADER - 12);
  }
}

/** Lines of the time axis through all lanes, to be drawn before the spans. */
export function drawGrid(context: CanvasRenderingContext2D, scene: Scene): void {
  context.strokeStyle = scene.theme.line;
  context.lineWidth = 1;
  context.beginPath();
  for (const { x } of axisMarks(scene)) {
    context.moveTo(x, HEADER - 4);
    context.lineTo(x, scene.height);
  }
  context.stroke();
}

function axisMarks({ view, width }: Scene): { x: number; text: string }[] {
  const scale = (width - GUTTER) / (view.to - view.from);
  return timeTicks(view.from, view.to, Math.max(4, Math.floor((width - GUTTER) / 120))).map(({ at, text }) => ({
    x: Math.round(GUTTER + (at - view.from) * scale) + 0.5,
    text,
  }));
}
