/** Where each row of each lane stands: ranks from top to bottom, in each its steps, compute and communication. */

import type { LaneView } from "./lane-view";

/** Width of the labels on the left, pixels of CSS like all lengths here. */
export const GUTTER = 116;

/** Height of phases, steps and time axis, above the lanes. */
export const HEADER = 50;

const ROW = 20;
const NESTED_ROW = 15;
const STEP_ROW = 7;
const LANE_GAP = 3;
const RANK_GAP = 15;

/** One row of spans; `y` counts from the top of all lanes, which may be scrolled. */
export interface Band {
  readonly lane: LaneView;
  readonly depth: number;
  readonly y: number;
  readonly height: number;
}

export interface RankBand {
  readonly rank: number;
  readonly y: number;
  readonly height: number;
}

export interface Layout {
  readonly bands: readonly Band[];
  readonly ranks: readonly RankBand[];
  readonly height: number;
}

export function layoutLanes(lanes: readonly LaneView[]): Layout {
  const bands: Band[] = [];
  const ranks: RankBand[] = [];
  let y = 8;
  for (const rank of new Set(lanes.map((lane) => lane.rank))) {
    const top = y;
    for (const lane of lanes.filter((candidate) => candidate.rank === rank)) {
      lane.rows.forEach((_, depth) => {
        const height = lane.stream === 2 ? STEP_ROW : depth > 0 ? NESTED_ROW : ROW;
        bands.push({ lane, depth, y, height });
        y += height;
      });
      y += LANE_GAP;
    }
    ranks.push({ rank, y: top, height: y - LANE_GAP - top });
    y += RANK_GAP;
  }
  return { bands, ranks, height: Math.max(40, y - RANK_GAP + 10) };
}

/** The band at height `y`; null between bands. */
export function bandAt(layout: Layout, y: number): Band | null {
  return layout.bands.find((band) => y >= band.y && y < band.y + band.height) ?? null;
}
