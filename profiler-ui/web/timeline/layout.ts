/** Where each row of each lane stands: ranks from top to bottom, pinned ones first, in each its steps, compute and communication. */

import type { LaneView } from "../../trace/lane-view";

/** Width of the labels on the left, pixels of CSS like all lengths here. */
export const GUTTER = 116;

/** Height of phases, steps and time axis, above the lanes. */
export const HEADER = 50;

const ROW = 20;
const NESTED_ROW = 15;
const STEP_ROW = 7;
const FOLDED_ROW = 9;
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

/** Which ranks come first, and which are reduced to two thin rows. */
export interface Arrangement {
  readonly pinned: ReadonlySet<number>;
  readonly folded: ReadonlySet<number>;
}

export const AS_RECORDED: Arrangement = { pinned: new Set(), folded: new Set() };

export function layoutLanes(lanes: readonly LaneView[], { pinned, folded }: Arrangement = AS_RECORDED): Layout {
  const bands: Band[] = [];
  const ranks: RankBand[] = [];
  let y = 8;
  const all = [...new Set(lanes.map((lane) => lane.rank))];
  const ordered = [...all.filter((rank) => pinned.has(rank)), ...all.filter((rank) => !pinned.has(rank))];
  for (const rank of ordered) {
    const top = y;
    const isFolded = folded.has(rank);
    for (const lane of lanes.filter((candidate) => candidate.rank === rank)) {
      if (isFolded && lane.stream === 2) continue;
      lane.rows.forEach((_, depth) => {
        if (isFolded && depth > 0) return;
        const height = isFolded ? FOLDED_ROW : lane.stream === 2 ? STEP_ROW : depth > 0 ? NESTED_ROW : ROW;
        bands.push({ lane, depth, y, height });
        y += height;
      });
      if (!isFolded) y += LANE_GAP;
    }
    if (isFolded) y = Math.max(y, top + 18) + LANE_GAP;
    ranks.push({ rank, y: top, height: y - LANE_GAP - top });
    y += isFolded ? 4 : RANK_GAP;
  }
  return { bands, ranks, height: Math.max(40, y - RANK_GAP + 10) };
}

/** Space between the ranks that stand still and those that scroll under them. */
const FIXED_GAP = 4;

/**
 * Height of the pinned ranks that stand still while the others scroll, of `inside` in all: as many of them as leave
 * half of it to the others, none where all lanes are seen at once.
 */
export function fixedHeight({ ranks, height: whole }: Layout, { pinned }: Arrangement, inside: number): number {
  let fixed = 0;
  if (whole <= inside) return fixed;
  for (const { rank, y, height } of ranks) {
    if (!pinned.has(rank) || y + height > inside / 2) break;
    fixed = y + height + FIXED_GAP;
  }
  return fixed;
}

/** How far the lanes are scrolled; those above `fixed` are not. */
export interface Scroll {
  readonly scrollY: number;
  readonly fixed: number;
}

/** Where what stands at `y` of the layout is seen, counted from under the header. */
export function seenAt(y: number, { scrollY, fixed }: Scroll): number {
  return y < fixed ? y : y - scrollY;
}

/** What of the layout is seen at `y` under the header. */
export function layoutAt(y: number, { scrollY, fixed }: Scroll): number {
  return y < fixed ? y : y + scrollY;
}

/** The band at height `y`; null between bands. */
export function bandAt(layout: Layout, y: number): Band | null {
  return layout.bands.find((band) => y >= band.y && y < band.y + band.height) ?? null;
}

/** The rank at height `y`, or the nearest one. */
export function rankAt({ ranks }: Layout, y: number): number {
  let best: RankBand | undefined;
  const distance = ({ y: top, height }: RankBand): number => Math.max(top - y, y - top - height, 0);
  for (const band of ranks) if (!best || distance(band) < distance(best)) best = band;
  return best?.rank ?? 0;
}
