/** Lanes as the page draws them, loaded so that something useful stands at once and then sharpens. */

import { aligned, type RankAlignment } from "../../trace/alignment";
import { concatenate } from "../../trace/columns";
import type { EventColumns } from "../../trace/events";
import { KINDS, kindIndex, type Kind } from "../../trace/kinds";
import { buildLanes, lowerBound, type Lane } from "../../trace/lanes";
import { buildForest, type Forest } from "../../trace/level-of-detail";
import { fetchLanes, fetchOverview, fetchSketch, fetchTile, type LaneInfo } from "../api";

export interface LaneView {
  readonly rank: number;
  readonly stream: number;
  /** Where the rows' positions point to. */
  readonly events: EventColumns;
  readonly rows: readonly Forest[];
  /** What runs on it. */
  readonly kinds: ReadonlySet<Kind>;
}

/** A span by what stays the same while a run loads: rows never overlap, so rank, stream, depth and start name one. */
export interface SpanKey {
  readonly rank: number;
  readonly stream: number;
  readonly depth: number;
  readonly start: number;
}

/** A span in a lane: `position` in the row of its depth, `index` in the lane's events. */
export interface SpanRef {
  readonly lane: LaneView;
  readonly depth: number;
  readonly position: number;
  readonly index: number;
}

export function spanRef(lane: LaneView, depth: number, position: number): SpanRef {
  return { lane, depth, position, index: lane.rows[depth]?.row.index[position] ?? 0 };
}

export function spanKey({ lane, depth, index }: SpanRef): SpanKey {
  return { rank: lane.rank, stream: lane.stream, depth, start: lane.events.startNs[index] ?? 0 };
}

export function findSpan(lanes: readonly LaneView[], key: SpanKey): SpanRef | null {
  const lane = lanes.find(({ rank, stream }) => rank === key.rank && stream === key.stream);
  const row = lane?.rows[key.depth]?.row;
  if (!lane || !row) return null;
  const position = lowerBound(row.start, key.start);
  return row.start[position] === key.start ? spanRef(lane, key.depth, position) : null;
}

export function laneViews(events: EventColumns): LaneView[] {
  return buildLanes(events).map((lane) => viewOf(lane, events));
}

function viewOf({ rank, stream, index, rows }: Lane, events: EventColumns): LaneView {
  const seen = new Uint8Array(events.kind.texts.length);
  for (const i of index) seen[events.kind.codes[i] ?? 0] = 1;
  const kinds = events.kind.texts.filter((_, code) => seen[code] === 1).map((text) => KINDS[kindIndex(text)] ?? "host");
  return { rank, stream, events, rows: rows.map(buildForest), kinds: new Set(kinds) };
}

/** The lanes with each rank's clock corrected; `origin` is the run's time at which the lanes' time begins. */
export function alignLanes(
  lanes: readonly LaneView[],
  alignment: readonly RankAlignment[],
  origin: number,
): LaneView[] {
  return lanes.flatMap((lane) => {
    const clock = alignment.find(({ rank, correct }) => rank === lane.rank && correct);
    if (!clock) return [lane];
    const offsetNs = clock.offsetNs + clock.driftPerNs * origin;
    return laneViews({ ...lane.events, startNs: aligned(lane.events.startNs, { ...clock, offsetNs }) });
  });
}

/** A run's lanes as far as they can be seen at once, and the time they span. */
export interface Outline {
  readonly lanes: readonly LaneView[];
  /** Start of the run's first span, nanoseconds from the run's start. The page counts time from here. */
  readonly origin: number;
  /** From there to the end of the last span. */
  readonly length: number;
}

export interface Overview extends Outline {
  readonly infos: readonly LaneInfo[];
}

export async function loadSketch(id: string): Promise<Outline> {
  const events = await fetchSketch(id);
  const [origin = 0] = events.startNs;
  const last = events.startNs.reduce((end, start, i) => Math.max(end, start + (events.durNs[i] ?? 0)), origin);
  return { lanes: laneViews(from(origin, events)), origin, length: last - origin };
}

export async function loadOverview(id: string): Promise<Overview> {
  const [infos, events] = await Promise.all([fetchLanes(id), fetchOverview(id)]);
  const origin = Math.min(...infos.map(({ startNs }) => startNs));
  const last = Math.max(...infos.map(({ endNs }) => endNs));
  return { infos, lanes: laneViews(from(origin, events)), origin, length: last - origin };
}

/** The events, which are the page's own, with times counted from `origin`. */
function from(origin: number, events: EventColumns): EventColumns {
  const { startNs } = events;
  startNs.forEach((start, i) => (startNs[i] = start - origin));
  return events;
}

/** Tiles that travel at once: enough to keep the server busy, few enough for the first lanes to be whole early. */
const PARALLEL = 4;

/**
 * Loads all events of a run. Calls `onLanes` each time that a lane has all of its own, the others still as in the
 * overview, with the share of events that has arrived, 0..1.
 */
export async function loadLanes(
  id: string,
  { infos, lanes: seen, origin }: Overview,
  onLanes: (lanes: readonly LaneView[], done: number) => void,
): Promise<void> {
  const lanes = new Map(seen.map((lane) => [laneName(lane), lane]));
  const total = infos.reduce((sum, { events }) => sum + events, 0);
  let arrived = 0;
  const queue = [...infos];
  const worker = async (): Promise<void> => {
    for (let info = queue.shift(); info; info = queue.shift()) {
      const [whole] = laneViews(from(origin, await loadLane(id, info)));
      if (whole) lanes.set(laneName(whole), whole);
      arrived += info.events;
      onLanes([...lanes.values()], arrived / total);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

async function loadLane(id: string, { rank, stream, tiles }: LaneInfo): Promise<EventColumns> {
  const pieces: [EventColumns, ...EventColumns[]] = [await fetchTile(id, rank, stream, 0)];
  for (let tile = 1; tile < tiles; tile++) pieces.push(await fetchTile(id, rank, stream, tile));
  return concatenate(pieces);
}

function laneName({ rank, stream }: { readonly rank: number; readonly stream: number }): string {
  return `${rank}.${stream}`;
}
