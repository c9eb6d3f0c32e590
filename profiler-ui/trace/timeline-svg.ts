/** A run's timeline as a static, script-free SVG: for notebooks, documents and terminals that can show pictures. */

import type { EventColumns } from "./events";
import { formatTime } from "./format";
import type { Hits } from "./hits";
import { KIND_LABELS, KINDS, STEP } from "./kinds";
import { sameLane, viewOf, type LaneView } from "./lane-view";
import { buildLanes, extentOf, isNested, spansIn } from "./lanes";
import { visitVisible, type Forest } from "./level-of-detail";
import { colourOf, inkOn, KIND_COLOURS, mix, wirePattern } from "./palette";
import { timeTicks } from "./ticks";
import { escapeXml } from "./xml";

export interface TimelineSvgOptions {
  /** Pixels, 960 unless given. */
  readonly width?: number;
  /** Window to draw, nanoseconds from the start of the first span, as the time axis counts; the whole run unless given. */
  readonly fromNs?: number;
  readonly toNs?: number;
  /** Text above the picture. */
  readonly title?: string;
}

const MARGIN = 10;
const GUTTER = 102;
const ROW = 16;
const GAP = 10;
const STREAM_SHORT = ["compute", "comm", "steps"];

/** What a lane is drawn into: the window, and pixels from side to side. */
interface Frame {
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly scale: (ns: number) => number;
}

/** What stands back: the spans of these kinds, and all that a search did not find. */
interface Emphasis {
  readonly faded?: ReadonlySet<string>;
  readonly hits?: Hits | null;
}

/** Draws every rank's lanes; spans narrower than a pixel are merged as in the browser. */
export function timelineSvg(events: EventColumns, options: TimelineSvgOptions = {}): string {
  const lanes = buildLanes(events);
  const { first, last } = extentOf(lanes);
  const to = options.toNs === undefined ? last : first + options.toNs;
  return lanesSvg(
    lanes.map((lane) => viewOf(lane, events)),
    { ...options, origin: first, from: first + (options.fromNs ?? 0), to },
  );
}

/** The same of lanes as they are at hand, between two of their times; the axis counts from `origin`. */
export function lanesSvg(
  lanes: readonly LaneView[],
  options: Pick<TimelineSvgOptions, "width" | "title"> &
    Emphasis & {
      readonly origin: number;
      readonly from: number;
      readonly to: number;
    },
): string {
  const { origin: first, from } = options;
  const width = Math.max(320, options.width ?? 960);
  const to = Math.max(from + 1, options.to);
  const scale = (ns: number): number => GUTTER + ((ns - from) / (to - from)) * (width - GUTTER - 8);
  const top = options.title ? 50 : 28;
  const parts: string[] = [];
  let y = top;
  let rank = -1;
  for (const lane of lanes) {
    if (lane.rank !== rank) {
      if (rank >= 0) y += GAP;
      rank = lane.rank;
      parts.push(`<text x="${MARGIN}" y="${y + 12}" class="rank">rank ${rank}</text>`);
    }
    parts.push(
      `<text x="${GUTTER - 8}" y="${y + 12}" class="lane" text-anchor="end">${STREAM_SHORT[lane.stream] ?? lane.stream}</text>`,
    );
    drawLane(parts, lane, y, { from, to, width, scale }, options);
    y += ROW * lane.rows.length;
  }
  const height = y + 34;
  const ticks = timeTicks(from - first, to - first, Math.floor((width - GUTTER) / 110)).map(({ at, text }) => {
    const x = scale(first + at);
    const anchor = x > width - 30 ? "end" : "middle";
    return `<path d="M${x.toFixed(1)} ${top - 6}V${y}" class="grid"/><text x="${x.toFixed(1)}" y="${top - 10}" class="tick" text-anchor="${anchor}">${text}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(labelOf(lanes, options.title, from - first, to - first))}">`,
    `<style>text{font:11px system-ui,sans-serif;fill:#3d4752}.rank{font-weight:600}.lane,.tick,.key{fill:#6b7580}.title{font-size:13px;font-weight:600}.grid{stroke:#8a94a0;stroke-opacity:.25}</style>`,
    `<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V5" stroke="#fff" stroke-opacity=".55" stroke-width="2"/></pattern>`,
    `<pattern id="lines" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M0 0H4" stroke="#fff" stroke-opacity=".5" stroke-width="2"/></pattern>`,
    `<pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse"><circle cx="1.5" cy="1.5" r="1" fill="#fff" fill-opacity=".6"/></pattern></defs>`,
    // Paper of its own: notebooks may be dark.
    `<rect width="${width}" height="${height}" rx="6" fill="#fff"/>`,
    options.title ? `<text x="${MARGIN}" y="18" class="title">${escapeXml(options.title)}</text>` : "",
    ...ticks,
    ...parts,
    legend(lanes, y + 22),
    "</svg>",
  ].join("");
}

function drawLane(parts: string[], lane: LaneView, top: number, frame: Frame, { faded, hits }: Emphasis): void {
  const found = hits?.lanes.find((candidate) => sameLane(candidate, lane));
  const isFaded = (kind: string): boolean => faded?.has(kind) ?? false;
  lane.rows.forEach((forest, depth) => {
    const y = top + ROW * depth;
    drawRow(parts, lane, depth, forest, y, frame, hits ? () => true : isFaded);
    const own = found?.rows[depth];
    if (own) drawRow(parts, lane, depth, own, y, frame, isFaded);
  });
}

/** `forest`: of the lane's row at `depth`, or those of its spans that are wanted. */
function drawRow(
  parts: string[],
  { events, rows }: LaneView,
  depth: number,
  forest: Forest,
  y: number,
  { from, to, width, scale }: Frame,
  isFaded: (kind: string) => boolean,
): void {
  const { row } = forest;
  visitVisible(forest, from, to, (to - from) / (width - GUTTER), (position, count, start, end) => {
    const i = row.index[position] ?? 0;
    const kind = events.kind.texts[events.kind.codes[i] ?? 0] ?? "";
    const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
    const phase = events.phase.texts[events.phase.codes[i] ?? 0] ?? "";
    const step = name === STEP;
    const plain = step
      ? stepColour(phase)
      : isNested(events, rows[0]?.row.index, depth)
        ? mix(colourOf(kind), "#ffffff", 0.35)
        : colourOf(kind);
    const colour = isFaded(kind) ? mix(plain, "#ffffff", 0.85) : plain;
    const label = step ? `${phase} ${events.step[i] ?? 0}` : name;
    const x = Math.max(GUTTER, scale(start));
    const w = Math.max(0.7, Math.min(width - 8, scale(end)) - x - (count === 1 && scale(end) - x > 3 ? 0.6 : 0));
    const box = `x="${x.toFixed(2)}" y="${y}" width="${w.toFixed(2)}" height="${ROW - 2}"`;
    const title =
      count === 1
        ? `<title>${escapeXml(`${label} · ${formatTime((row.end[position] ?? 0) - (row.start[position] ?? 0))}`)}</title>`
        : "";
    parts.push(`<rect ${box} fill="${colour}">${title}</rect>`);
    const pattern = wirePattern(events.wireType.texts[events.wireType.codes[i] ?? 0] ?? "");
    if (pattern !== "none" && w > 2) parts.push(`<rect ${box} fill="url(#${pattern})" pointer-events="none"/>`);
    if (count === 1 && w > 6.6 * label.length + 6) {
      parts.push(
        `<text x="${(x + 4).toFixed(2)}" y="${y + 11}" pointer-events="none" style="fill:${inkOn(colour)}">${escapeXml(label)}</text>`,
      );
    }
  });
}

/** Whole steps stand back behind the ops in them. */
function stepColour(phase: string): string {
  return phase === "prefill" ? "#ccd2f0" : "#e3e7ec";
}

function legend(lanes: readonly LaneView[], y: number): string {
  let x = GUTTER;
  return KINDS.filter((kind) => kind !== "host" && lanes.some(({ kinds }) => kinds.has(kind)))
    .map((kind) => {
      const label = KIND_LABELS[kind];
      const entry = `<rect x="${x}" y="${y - 9}" width="10" height="10" rx="2" fill="${KIND_COLOURS[kind]}"/><text x="${x + 14}" y="${y}" class="key">${label}</text>`;
      x += 30 + 6.2 * label.length;
      return entry;
    })
    .join("");
}

function labelOf(lanes: readonly LaneView[], title: string | undefined, from: number, to: number): string {
  const ranks = new Set(lanes.map(({ rank }) => rank)).size;
  const spans = lanes.flatMap(({ rows }) => rows).reduce((sum, { row }) => sum + spansIn(row, 0, row.start.length), 0);
  return `${title ? `${title}: ` : ""}timeline of ${ranks} ${ranks === 1 ? "rank" : "ranks"} from ${formatTime(from)} to ${formatTime(to)}, ${spans} spans`;
}
