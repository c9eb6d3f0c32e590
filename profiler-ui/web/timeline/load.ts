/** A run's lanes, loaded so that something useful stands at once and then sharpens. */

import { concatenate } from "../../trace/columns";
import type { EventColumns } from "../../trace/events";
import { laneViews, sameLane, type LaneInfo, type LaneView } from "../../trace/lane-view";
import { lanesOfMarks } from "../../trace/marks";
import { fetchLanes, fetchOverview, fetchSketch, fetchTile } from "../api";

/** A run's lanes as far as they can be seen at once, and the time they span. */
export interface Outline {
  readonly lanes: readonly LaneView[];
  /** From the start of the run's first span, from which time is counted, to the end of the last. */
  readonly length: number;
}

export interface Overview extends Outline {
  readonly infos: readonly LaneInfo[];
  /** Start of the run's first span, nanoseconds from the run's start. */
  readonly origin: number;
  /** Whether the page can hold all of its events. */
  readonly isShort: boolean;
}

export async function loadSketch(id: string): Promise<Outline> {
  const sketch = await fetchSketch(id);
  const length = sketch.marks.toNs.reduce((last, end) => Math.max(last, end), 0);
  return { lanes: lanesOfMarks(sketch), length };
}

export async function loadOverview(id: string): Promise<Overview> {
  const [infos, marks] = await Promise.all([fetchLanes(id), fetchOverview(id)]);
  const origin = Math.min(...infos.map(({ startNs }) => startNs));
  const last = Math.max(...infos.map(({ endNs }) => endNs));
  const lanes = lanesOfMarks(marks).map((lane) => {
    const info = infos.find((candidate) => sameLane(candidate, lane));
    return { ...lane, kinds: new Set(info?.kinds ?? []) };
  });
  return { infos, lanes, origin, length: last - origin, isShort: infos.every(({ tiles }) => tiles > 0) };
}

/** Tiles that travel at once: enough to keep the server busy, few enough for the first lanes to be whole early. */
const PARALLEL = 4;

/**
 * Loads all events of a run. Calls `onLanes` each time that a lane has all of its own, the others still as in the
 * overview, with the share of events that has arrived, 0..1.
 */
export async function loadLanes(
  id: string,
  { infos, lanes: seen }: Overview,
  onLanes: (lanes: readonly LaneView[], done: number) => void,
): Promise<void> {
  const lanes = [...seen];
  const total = infos.reduce((sum, { events }) => sum + events, 0);
  let arrived = 0;
  const queue = [...infos];
  const worker = async (): Promise<void> => {
    for (let info = queue.shift(); info; info = queue.shift()) {
      for (const whole of laneViews(await loadLane(id, info)))
        lanes.splice(
          lanes.findIndex((lane) => sameLane(lane, whole)),
          1,
          whole,
        );
      arrived += info.events;
      onLanes([...lanes], arrived / total);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

async function loadLane(id: string, { rank, stream, tiles }: LaneInfo): Promise<EventColumns> {
  const pieces: [EventColumns, ...EventColumns[]] = [await fetchTile(id, rank, stream, 0)];
  for (let tile = 1; tile < tiles; tile++) pieces.push(await fetchTile(id, rank, stream, tile));
  return concatenate(pieces);
}
