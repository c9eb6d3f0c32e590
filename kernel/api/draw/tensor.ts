/** Tensors in notebooks: shape, range, the first values, and a picture of all of them. */

import { formatCount } from "../../../profiler-ui/trace/format";
import { mix } from "../../../profiler-ui/trace/palette";
import { drawable, drawn, type MimeBundle } from "../display";
import { htmlPicture } from "./picture";
import { escapeHtml, htmlTable, textTable, type Table } from "./table";

/** What a tensor [rows × columns], row major, is of. */
export interface TensorName {
  readonly title: string;
  readonly rows: string;
  readonly columns: string;
}

/** Values that are looked at: a larger tensor is sampled at even distances. */
const MOST_VALUES = 1 << 22;
const SHOWN_ROWS = 4;
const SHOWN_COLUMNS = 6;
/** Cells of the picture. */
const STRIP_ROWS = 16;
const STRIP_COLUMNS = 96;
/** Colours on either side of zero. */
const LEVELS = 6;
const NEGATIVE = "#2a78c6";
const POSITIVE = "#e0713c";
const NEUTRAL = "#f4f5f6";

/** Makes a tensor draw itself; it stays the array that it is. */
export function drawTensor(values: Float32Array, columns: number, name: TensorName): Float32Array {
  return drawable(values, () => tensorBundle(values, columns, name));
}

/** Makes a list of tensors draw itself, one under the other. */
export function drawTensors(tensors: Float32Array[]): Float32Array[] {
  return drawable(tensors, () => {
    const bundles = tensors.map(drawn);
    return {
      "text/plain": bundles.map((bundle) => bundle["text/plain"]).join("\n\n"),
      "text/html": bundles.map((bundle) => bundle["text/html"] ?? "").join(""),
    };
  });
}

function tensorBundle(values: Float32Array, columns: number, name: TensorName): MimeBundle {
  const rows = values.length / columns;
  const stride = Math.ceil(values.length / MOST_VALUES);
  const { low, high, mean, odd } = spread(values, stride);
  const heading = `${name.title}: ${rows} ${name.rows} × ${columns} ${name.columns}, f32`;
  const range = `from ${text(low)} to ${text(high)}, mean ${text(mean)}${odd > 0 ? `; ${formatCount(odd)} not finite` : ""}${stride > 1 ? `; of every ${stride}th value` : ""}`;
  const table = firstValues(values, rows, columns);
  return {
    "text/plain": `${heading}\n${range}\n\n${textTable(table)}`,
    "text/html":
      `<p><b>${escapeHtml(heading)}</b><br>${escapeHtml(range)}</p>` +
      `${htmlPicture(strip(values, rows, columns, stride), `${heading}, ${range}: blue below zero, orange above`)}${htmlTable(table)}`,
  };
}

function spread(
  values: Float32Array,
  stride: number,
): { readonly low: number; readonly high: number; readonly mean: number; readonly odd: number } {
  let [low, high, sum, finite, odd] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i] ?? 0;
    if (!Number.isFinite(value)) odd++;
    else {
      finite++;
      sum += value;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return { low, high, mean: sum / finite, odd };
}

function text(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
}

function firstValues(values: Float32Array, rows: number, columns: number): Table {
  const across = Math.min(columns, SHOWN_COLUMNS);
  const more = columns > across ? ["…"] : [];
  const shown = Array.from({ length: Math.min(rows, SHOWN_ROWS) }, (_, row) => [
    String(row),
    ...Array.from(values.subarray(row * columns, row * columns + across), text),
    ...more,
  ]);
  return {
    columns: [
      { title: "" },
      ...Array.from({ length: across }, (_, column) => ({ title: String(column), align: "right" as const })),
      ...more.map((title) => ({ title })),
    ],
    rows: rows > SHOWN_ROWS ? [...shown, ["…"]] : shown,
  };
}

/** Means of blocks of the tensor as colours: 0 is pale, the largest mean is full. */
function strip(values: Float32Array, rows: number, columns: number, stride: number): string {
  const down = Math.min(rows, STRIP_ROWS);
  const across = Math.min(columns, STRIP_COLUMNS);
  const sums = new Float64Array(down * across);
  const counts = new Float64Array(down * across);
  for (let i = 0; i < values.length; i += stride) {
    const value = values[i] ?? 0;
    if (!Number.isFinite(value)) continue;
    const row = Math.floor((Math.floor(i / columns) * down) / rows);
    const cell = row * across + Math.floor(((i % columns) * across) / columns);
    sums[cell] = (sums[cell] ?? 0) + value;
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  const means = sums.map((sum, cell) => sum / Math.max(1, counts[cell] ?? 0));
  const most = means.reduce((largest, mean) => Math.max(largest, Math.abs(mean)), 0) || 1;
  // One path a colour: a thousand rectangles would be a large picture.
  const paths = new Map<number, string>();
  means.forEach((mean, cell) => {
    const level = Math.round((LEVELS * mean) / most);
    const place = `M${cell % across} ${Math.floor(cell / across)}.5h1`;
    paths.set(level, (paths.get(level) ?? "") + place);
  });
  const colour = (level: number): string => mix(NEUTRAL, level < 0 ? NEGATIVE : POSITIVE, Math.abs(level) / LEVELS);
  const drawnPaths = [...paths].map(([level, path]) => `<path d="${path}" stroke="${colour(level)}"/>`);
  const [width, height] = [across * Math.max(5, 480 / across), down * (down === 1 ? 24 : 10)];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${across} ${down}" preserveAspectRatio="none" shape-rendering="crispEdges">${drawnPaths.join("")}</svg>`;
}
