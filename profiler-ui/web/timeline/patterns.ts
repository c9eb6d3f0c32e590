/** Patterns over a collective's colour by wire type: int8 hatched, bf16 lined, f16 dotted, f32 plain. */

import type { WirePattern } from "../../trace/palette";

const made = new WeakMap<CanvasRenderingContext2D, Map<WirePattern, CanvasPattern | string>>();

export function patternFor(context: CanvasRenderingContext2D, pattern: WirePattern): CanvasPattern | string {
  let known = made.get(context);
  if (!known) made.set(context, (known = new Map<WirePattern, CanvasPattern | string>()));
  let style = known.get(pattern);
  if (style === undefined)
    known.set(pattern, (style = context.createPattern(drawPattern(pattern), "repeat") ?? "transparent"));
  return style;
}

/** One tile of a pattern, white and half transparent. */
export function drawPattern(pattern: WirePattern): HTMLCanvasElement {
  const size = 6;
  const tile = document.createElement("canvas");
  tile.width = size;
  tile.height = size;
  const context = tile.getContext("2d");
  if (!context) return tile;
  context.fillStyle = context.strokeStyle = "rgba(255, 255, 255, 0.5)";
  context.lineWidth = 1.5;
  context.beginPath();
  if (pattern === "hatch") {
    // Three strokes, so that the line meets itself at the tile's corners.
    for (const shift of [-size, 0, size]) {
      context.moveTo(shift - 1, size + 1);
      context.lineTo(shift + size + 1, -1);
    }
    context.stroke();
  } else if (pattern === "lines") {
    context.fillRect(0, 1, size, 1.5);
    context.fillRect(0, 4, size, 1.5);
  } else if (pattern === "dots") {
    context.fillRect(1, 1, 1.5, 1.5);
    context.fillRect(4, 4, 1.5, 1.5);
  }
  return tile;
}
