/** What is seen as a file: a picture as the screen shows it, the spans as a table. */

import type { EventColumns } from "../../trace/events";
import { streamName } from "../../trace/kinds";
import type { LaneView } from "../../trace/lane-view";
import { lanesSvg } from "../../trace/timeline-svg";
import { csvOf, download } from "../csv";
import { HEADER, layoutLanes, type Arrangement } from "./layout";
import type { Spans } from "./spans";
import type { Timeline } from "./timeline";

/** The timelines one below the other, with their ranks' names, as they are on the screen. */
async function pngOf(timelines: readonly Timeline[]): Promise<Blob> {
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

export type SavedFormat = "png" | "svg" | "csv";

/** What is seen of a run, and of those beside it. */
export interface SeenView {
  readonly id: string;
  readonly label: string;
  readonly timelines: readonly Timeline[];
  readonly timeline: Timeline;
  readonly spans: Spans;
  readonly hidden: ReadonlySet<string>;
  readonly arrangement: Arrangement;
}

/** Hands what is seen to the browser's downloads: the picture has all timelines, the others the one of the run. */
export async function saveView(format: SavedFormat, seen: SeenView): Promise<void> {
  const { id, label, timelines, timeline, spans, hidden, arrangement } = seen;
  const { lanes, view } = timeline;
  if (format === "png") download(`${id}.png`, await pngOf(timelines));
  else if (format === "svg") {
    const drawn = { ...view, origin: 0, title: label, faded: hidden, hits: spans.hits };
    download(`${id}.svg`, lanesSvg(arranged(lanes, arrangement), drawn), "image/svg+xml");
  } else {
    const events = await spans.events(view);
    download(`${id}.csv`, events ? csvOfSpans(events) : "");
  }
}

/** Lanes and rows in the order in which they are seen: pinned ranks first, of folded ones the outermost spans. */
function arranged(lanes: readonly LaneView[], arrangement: Arrangement): LaneView[] {
  const { bands } = layoutLanes(lanes, arrangement);
  return [...new Set(bands.map(({ lane }) => lane))].map((lane) => ({
    ...lane,
    rows: lane.rows.filter((_, depth) => bands.some((band) => band.lane === lane && band.depth === depth)),
  }));
}

const COLUMNS = ["rank", "stream", "name", "kind", "phase", "step", "layer", "tokens", "start_ns", "dur_ns"];
const WIRE_COLUMNS = ["wire_bytes", "wire_type", "algorithm", "group", "seq"];

function csvOfSpans(events: EventColumns): string {
  const rows = Array.from({ length: events.count }, (_, i) => rowOf(events, i));
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
