/** A small part of a run's events that draws the whole run: the first paint of a long one. */

import { pick } from "./columns";
import type { EventColumns } from "./events";
import { buildLanes, extentOf, type Lane } from "./lanes";
import { buildForest, visitVisible } from "./level-of-detail";

/** The spans that stand for the run when it is `pixels` wide from its first span to its last one's end: for each row and pixel the longest, as `visitVisible` chooses. */
export function overviewOf(
  events: EventColumns,
  pixels: number,
  lanes: readonly Lane[] = buildLanes(events),
): EventColumns {
  const { first, last } = extentOf(lanes);
  const bucket = (last - first) / pixels;
  const chosen: number[] = [];
  for (const lane of lanes) {
    for (const row of lane.rows) {
      visitVisible(buildForest(row), first, last, bucket, (position) => chosen.push(row.index[position] ?? 0));
    }
  }
  return pick(events, Uint32Array.from(chosen).sort());
}
