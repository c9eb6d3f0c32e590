/**
 * Stateline's mark, drawn by code: three states in a line, each handing its value to the next.
 *
 * Jupyter wants an SVG and bitmaps of 32 and 64 pixels; both come from the same shapes, so that there is no picture to keep.
 */
import { crc32, deflateSync } from "node:zlib";

type Point = readonly [x: number, y: number];

/** In a square of 64 by 64: a line through the states, which are discs; the last one is the output. */
const SIZE = 64;
const states: readonly Point[] = [
  [13, 44],
  [32, 22],
  [51, 38],
];
const RADIUS = 7.5;
const STROKE = 4;
const INK = [31, 78, 121] as const;
const ACCENT = [221, 107, 32] as const;

const hex = (colour: readonly number[]): string =>
  `#${colour.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

export function logoSvg(): string {
  const line = states.map((point) => point.join(",")).join(" ");
  const discs = states.map(
    ([x, y], index) => `  <circle cx="${x}" cy="${y}" r="${RADIUS}" fill="${hex(colourOf(index))}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}">
  <polyline points="${line}" fill="none" stroke="${hex(INK)}" stroke-width="${STROKE}" stroke-linejoin="round"/>
${discs.join("\n")}
</svg>
`;
}

/** The mark as a PNG of `pixels` by `pixels`, on a transparent ground. */
export function logoPng(pixels: number): Buffer {
  const CHANNELS = 4;
  const rows = Array.from({ length: pixels }, (_, y) => {
    const row = Buffer.alloc(1 + pixels * CHANNELS); // a row begins with its filter: none
    for (let x = 0; x < pixels; x++) row.set(pixelAt(x, y, SIZE / pixels), 1 + x * CHANNELS);
    return row;
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(pixels, 0);
  header.writeUInt32BE(pixels, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits a channel, RGBA, deflate, filter by row, not interlaced
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(rows), { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function colourOf(state: number): readonly number[] {
  return state === states.length - 1 ? ACCENT : INK;
}

/** Red, green, blue and opacity of a pixel: the shape with the least distance, smoothed over one pixel's width. */
function pixelAt(x: number, y: number, scale: number): readonly number[] {
  const at: Point = [(x + 0.5) * scale, (y + 0.5) * scale];
  const discs = states.map((state, index) => ({ outside: distance(at, state) - RADIUS, colour: colourOf(index) }));
  const strokes = states
    .slice(1)
    .map((end, index) => ({ outside: distanceToSegment(at, states[index] ?? end, end) - STROKE / 2, colour: INK }));
  const nearestDisc = discs.reduce((a, b) => (b.outside < a.outside ? b : a));
  const nearestStroke = strokes.reduce((a, b) => (b.outside < a.outside ? b : a));
  const nearest = nearestDisc.outside < scale / 2 ? nearestDisc : nearestStroke; // discs lie above the line
  const opacity = Math.max(0, Math.min(1, 0.5 - nearest.outside / scale));
  return [...nearest.colour, Math.round(255 * opacity)];
}

function distance([ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(ax - bx, ay - by);
}

function distanceToSegment(at: Point, from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const along = ((at[0] - from[0]) * dx + (at[1] - from[1]) * dy) / (dx * dx + dy * dy);
  const t = Math.max(0, Math.min(1, along));
  return distance(at, [from[0] + t * dx, from[1] + t * dy]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
