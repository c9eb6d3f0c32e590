/** What is seen as a file: a picture as the screen shows it, a drawing, the spans as a table. */

import { concatenate } from "../../trace/columns";
import type { EventColumns } from "../../trace/events";
import { streamName } from "../../trace/kinds";
import { lowerBound, upperBound } from "../../trace/lanes";
import { timelineSvg } from "../../trace/timeline-svg";
import { csvOf } from "../csv";
import type { Hits } from "./hits";
import type { LaneView } from "./lane-view";
import { HEADER } from "./layout";
import type { Timeline } from "./timeline";
import type { View } from "./view";

/** The timelines one below the other, with their ranks' names, as they are on the screen. */
export async function pngOf(timelines: readonly Timeline[]): Promise<Blob> {
  const pictures = timelines.map(({ canvas, element }) => ({
    canvas,
    overlay: element.querySelector("canvas.overlay"),
  }));
  const whole = document.createElement("canvas");
  whole.width = Math.max(...pictures.map(({ canvas }) => canvas.width));
  whole.height = pictures.reduce((sum, { canvas }) => sum + canvas.height, 0);
  const context = whole.getContext("2d");
  if (!context) throw new Error("This browser has no 2D canvas.");
  const style = getComputedStyle(document.documentElement);
  context.fillStyle = style.getPropertyValue("--surface");
  context.fillRect(0, 0, whole.width, whole.height);
  const dpr = devicePixelRatio || 1;
  let top = 0;
  timelines.forEach((timeline, k) => {
    const { canvas, overlay } = pictures[k] ?? {};
    if (!canvas) return;
    context.drawImage(canvas, 0, top);
    if (overlay instanceof HTMLCanvasElement) context.drawImage(overlay, 0, top);
    context.fillStyle = style.getPropertyValue("--text");
    context.font = `600 ${12 * dpr}px ${style.getPropertyValue("--font")}`;
    for (const { rank, y } of timeline.rankPlaces) {
      context.fillText(`rank ${rank}`, 2 * dpr, top + (HEADER + y + 13) * dpr);
    }
    top += canvas.height;
  });
  return new Promise((resolve, reject) => {
    whole.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture is too large."))), "image/png");
  });
}

export function svgOf(lanes: readonly LaneView[], { from, to }: View, title: string): string {
  const pieces = lanes.map(({ events }) => events);
  const [first, ...rest] = pieces;
  if (!first) return "";
  // Before all events are there, lanes share the overview's.
  const events = new Set(pieces).size === 1 ? first : concatenate([first, ...rest]);
  return timelineSvg(events, { title, fromNs: from, toNs: to });
}

/** Rows of a table at most: more is what Parquet is for. */
const MOST_ROWS = 200_000;

const COLUMNS = ["rank", "stream", "name", "kind", "phase", "step", "layer", "tokens", "start_ns", "dur_ns"];
const WIRE_COLUMNS = ["wire_bytes", "wire_type", "algorithm", "group", "seq"];

/** The spans that reach into the window, of a search its hits alone, lane by lane. */
export function csvOfView(lanes: readonly LaneView[], { from, to }: View, hits: Hits | null): string {
  const rows: (string | number)[][] = [];
  for (const lane of lanes) {
    const forests = hits ? (hits.rows.get(lane) ?? []) : lane.rows;
    for (const forest of forests) {
      if (!forest) continue;
      const { row } = forest;
      const after = lowerBound(row.start, to);
      for (let k = upperBound(row.end, from); k < after && rows.length < MOST_ROWS; k++)
        rows.push(rowOf(lane.events, row.index[k] ?? 0));
    }
  }
  return csvOf([...COLUMNS, ...WIRE_COLUMNS], rows);
}

function rowOf(events: EventColumns, i: number): (string | number)[] {
  const text = ({ texts, codes }: EventColumns["name"]): string => texts[codes[i] ?? 0] ?? "";
  return [
    events.rank[i] ?? 0,
    streamName(events.stream[i] ?? 0),
    text(events.name),
    text(events.kind),
    text(events.phase),
    events.step[i] ?? 0,
    events.layer[i] ?? -1,
    events.tokens[i] ?? 0,
    events.startNs[i] ?? 0,
    events.durNs[i] ?? 0,
    events.wireBytes[i] ?? 0,
    text(events.wireType),
    text(events.algorithm),
    events.group[i] ?? -1,
    events.seq[i] ?? -1,
  ];
}
