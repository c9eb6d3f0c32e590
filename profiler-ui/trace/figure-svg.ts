/** A chart as a static, script-free SVG: for notebooks whose viewer has no Plotly. */

import { scaleFor, type Scale } from "./axis";
import type { BarTrace, Figure, HistogramTrace, ScatterTrace, TextPosition } from "./figure";
import { inkOn } from "./palette";
import { escapeXml } from "./xml";

const WIDTH = 760;
const MARGIN = 12;
const TOP = 36;
const BAR = 24;
const SCATTER_HEIGHT = 280;
const HISTOGRAM_HEIGHT = 160;
/** Mean width of a letter. */
const LETTER = 6.3;

/** Where the marks are drawn, in pixels. */
interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface Drawn {
  readonly marks: string;
  readonly area: Area;
  readonly x: Scale;
  /** None where the other axis has names. */
  readonly y?: Scale;
}

/** Bars (stacked or side by side), a histogram, or points and lines: what our figures are made of. */
export function figureSvg(figure: Figure): string {
  const { title, layout, counts } = figure;
  const { marks, area, x, y } = draw(figure);
  const axisName = layout.xaxis.title?.text ?? "";
  const key = legend(figure, area.left, area.bottom + 46);
  const height = key.bottom + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(`${title}. ${counts}`)}">`,
    `<style>text{font:11px system-ui,sans-serif;fill:#3d4752}.title{font-size:13px;font-weight:600}.tick,.key{fill:#6b7580}.grid{stroke:#8a94a0;stroke-opacity:.25}</style>`,
    // Paper of its own: notebooks may be dark.
    `<rect width="${WIDTH}" height="${height}" rx="6" fill="#fff"/>`,
    `<text x="${MARGIN}" y="20" class="title">${escapeXml(title)}</text>`,
    ...x.ticks.map(({ at, text }) => {
      const px = x.place(at).toFixed(1);
      return `<path d="M${px} ${area.top}V${area.bottom}" class="grid"/>${label(px, area.bottom + 15, text, "middle")}`;
    }),
    ...(y?.ticks ?? []).map(({ at, text }) => {
      const py = y?.place(at) ?? 0;
      return `<path d="M${area.left} ${py.toFixed(1)}H${area.right}" class="grid"/>${label(area.left - 6, py + 4, text, "end")}`;
    }),
    label((area.left + area.right) / 2, area.bottom + 30, axisName, "middle"),
    layout.yaxis?.title ? label(area.left - 6, area.top - 8, layout.yaxis.title.text, "end") : "",
    marks,
    key.marks,
    "</svg>",
  ].join("");
}

function draw(figure: Figure): Drawn {
  const { traces } = figure;
  const bars = traces.filter((trace) => trace.type === "bar");
  if (bars.length > 0) return drawBars(figure, bars);
  const [histogram] = traces.filter((trace) => trace.type === "histogram");
  if (histogram !== undefined) return drawHistogram(figure, histogram);
  return drawScatter(
    figure,
    traces.filter((trace) => trace.type === "scatter"),
  );
}

function drawBars({ layout }: Figure, bars: readonly BarTrace[]): Drawn {
  const names = bars[0]?.y ?? [];
  const grouped = layout.barmode === "group";
  const row = BAR + 10;
  const left = MARGIN + 8 + LETTER * Math.max(0, ...names.map(({ length }) => length));
  const area = { left, right: WIDTH - 24, top: TOP, bottom: TOP + row * names.length };
  const ends = names.map((_, i) => bars.map(({ x }) => x[i] ?? 0));
  const most = ends.flatMap((lengths) => (grouped ? lengths : [lengths.reduce((sum, one) => sum + one, 0)]));
  const x = scaleFor(layout.xaxis, most, area.left, area.right, true);
  const marks = names.map((name, i) => {
    const top = area.top + i * row + 5;
    let from = 0;
    const own = bars.map(({ x: lengths, marker: { color }, name: part = "" }, k) => {
      const value = lengths[i] ?? 0;
      const [at, height] = grouped ? [top + (k * BAR) / bars.length, BAR / bars.length - 1] : [top, BAR];
      const start = x.place(from);
      const width = x.place(from + value) - start;
      if (!grouped) from += value;
      const box = `<rect x="${start.toFixed(1)}" y="${at}" width="${Math.max(0, width).toFixed(1)}" height="${height}" fill="${color}" stroke="#fff" stroke-width=".5"/>`;
      const fits = !grouped && width > LETTER * part.length + 8;
      return `${box}${fits ? `<text x="${(start + 4).toFixed(1)}" y="${top + 16}" style="fill:${inkOn(color)}">${escapeXml(part)}</text>` : ""}`;
    });
    return `${label(left - 6, top + 16, name, "end")}${own.join("")}`;
  });
  return { marks: marks.join(""), area, x };
}

function drawHistogram({ layout }: Figure, { x: values, nbinsx, marker }: HistogramTrace): Drawn {
  const area = { left: 56, right: WIDTH - 24, top: TOP, bottom: TOP + HISTOGRAM_HEIGHT };
  const low = Math.min(...values);
  const width = (Math.max(...values) - low) / nbinsx || 1;
  const counts = new Array<number>(nbinsx).fill(0);
  for (const value of values) {
    const bin = Math.min(nbinsx - 1, Math.floor((value - low) / width));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const x = scaleFor(layout.xaxis, [low, low + nbinsx * width], area.left, area.right, false);
  const y = scaleFor({ title: { text: "" } }, counts, area.bottom, area.top, true);
  const marks = counts.map((count, bin) => {
    const start = x.place(low + bin * width);
    const top = y.place(count);
    const size = `width="${(x.place(low + (bin + 1) * width) - start).toFixed(1)}" height="${(area.bottom - top).toFixed(1)}"`;
    return `<rect x="${start.toFixed(1)}" y="${top.toFixed(1)}" ${size} fill="${marker.color}"/>`;
  });
  return { marks: marks.join(""), area, x, y };
}

function drawScatter({ layout }: Figure, traces: readonly ScatterTrace[]): Drawn {
  const area = { left: 72, right: WIDTH - 24, top: TOP + 14, bottom: TOP + 14 + SCATTER_HEIGHT };
  const xs = traces.flatMap((trace) => trace.x);
  const ys = traces.flatMap(({ y, error_y: error }) => [...y, ...y.map((value, i) => value + (error?.array[i] ?? 0))]);
  const x = scaleFor(layout.xaxis, xs, area.left, area.right, false);
  const yaxis = layout.yaxis ?? {};
  const y = scaleFor(yaxis, ys, area.bottom, area.top, yaxis.rangemode === "tozero");
  const marks = traces.map((trace) => (trace.mode === "lines" ? line(trace, x, y) : points(trace, x, y)));
  return { marks: marks.join(""), area, x, y };
}

function line({ x: xs, y: ys, line: style }: ScatterTrace, x: Scale, y: Scale): string {
  const path = xs.map((value, i) => `${x.place(value).toFixed(1)} ${y.place(ys[i] ?? 0).toFixed(1)}`);
  const dash = style?.dash === "dot" ? ' stroke-dasharray="2 4"' : "";
  return `<path d="M${path.join("L")}" fill="none" stroke="${style?.color ?? "#000"}" stroke-width="${style?.width ?? 1}"${dash}/>`;
}

function points(trace: ScatterTrace, x: Scale, y: Scale): string {
  const { marker, text, textposition, error_y: error } = trace;
  const marks = trace.x.map((value, i) => {
    const [px, py] = [x.place(value), y.place(trace.y[i] ?? 0)];
    const fill = typeof marker?.color === "string" ? marker.color : (marker?.color[i] ?? "#000");
    const low = y.place((trace.y[i] ?? 0) - (error?.arrayminus[i] ?? 0));
    const high = y.place((trace.y[i] ?? 0) + (error?.array[i] ?? 0));
    const bar = error
      ? `<path d="M${px.toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}" stroke="${error.color}"/>`
      : "";
    const name = text?.[i] ? besideMark(px, py, text[i], textposition?.[i] ?? "middle right") : "";
    return `${bar}<path d="${SHAPES[marker?.symbol ?? "circle"]}" transform="translate(${px.toFixed(1)} ${py.toFixed(1)})" fill="${fill}"/>${name}`;
  });
  return marks.join("");
}

/** Marks by their outline around the origin. */
const SHAPES: Readonly<Record<NonNullable<NonNullable<ScatterTrace["marker"]>["symbol"]>, string>> = {
  circle: "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1 -4.5 0",
  square: "M-4 -4H4V4H-4Z",
  diamond: "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
  x: "M-5 -3L-3 -5L0 -2L3 -5L5 -3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z",
};

function besideMark(px: number, py: number, text: string, side: TextPosition): string {
  switch (side) {
    case "middle right":
      return label(px + 8, py + 4, text, "start");
    case "middle left":
      return label(px - 8, py + 4, text, "end");
    case "top center":
      return label(px, py - 8, text, "middle");
    case "bottom center":
      return label(px, py + 16, text, "middle");
  }
}

function label(x: number | string, y: number, text: string, anchor: "start" | "middle" | "end"): string {
  const at = typeof x === "string" ? x : x.toFixed(1);
  return text === ""
    ? ""
    : `<text x="${at}" y="${y.toFixed(1)}" class="tick" text-anchor="${anchor}">${escapeXml(text)}</text>`;
}

/** Names of the traces by their colour, in as many rows as they need. */
function legend({ traces, layout }: Figure, left: number, top: number): { marks: string; bottom: number } {
  if (layout.showlegend === false) return { marks: "", bottom: top - 12 };
  let x = left;
  let y = top;
  const entries = traces.flatMap((trace) => {
    if (trace.type === "histogram" || !trace.name || (trace.type === "scatter" && trace.showlegend === false))
      return [];
    const width = 26 + LETTER * trace.name.length;
    if (x + width > WIDTH - MARGIN && x > left) {
      x = left;
      y += 18;
    }
    const colour = trace.marker?.color ?? "#000";
    const [at, name] = [x, trace.name];
    x += width;
    return `<rect x="${at.toFixed(1)}" y="${y - 9}" width="10" height="10" rx="2" fill="${typeof colour === "string" ? colour : "#000"}"/><text x="${(at + 14).toFixed(1)}" y="${y}" class="key">${escapeXml(name)}</text>`;
  });
  return entries.length === 0 ? { marks: "", bottom: top - 12 } : { marks: entries.join(""), bottom: y };
}
