/** What is known roughly of a whole run and sharply of a stretch of it, as lanes that are drawn as one. */

import { concatenate } from "./columns";
import type { LaneView } from "./lane-view";
import { sameLane } from "./lane-view";
import { lowerBound, upperBound, type Row } from "./lanes";
import { buildForest } from "./level-of-detail";
import { EMPTY } from "./marks";

/** The lanes of `rough` with those of `sharp` in place of what lies in [from, to). */
export function layered(
  rough: readonly LaneView[],
  sharp: readonly LaneView[],
  from: number,
  to: number,
): readonly LaneView[] {
  const [outside, inside] = [rough[0]?.events, sharp[0]?.events];
  if (!outside) return rough;
  const events = inside ? concatenate([outside, inside]) : outside;
  return rough.map((lane) => {
    const within = sharp.find((candidate) => sameLane(candidate, lane));
    const rows = lane.rows.map(({ row }, depth) => {
      const inner = within?.rows[depth]?.row ?? EMPTY.row;
      const before = upperBound(row.end, Math.min(from, inner.start[0] ?? from));
      const after = lowerBound(row.start, Math.max(to, inner.end.at(-1) ?? to), before);
      const moved = { ...inner, index: inner.index.map((i) => i + outside.count) };
      return buildForest(joined([part(row, 0, before), moved, part(row, after, row.start.length)]));
    });
    return { ...lane, events, rows };
  });
}

function part({ index, start, end, merged }: Row, from: number, to: number): Row {
  return {
    index: index.subarray(from, to),
    start: start.subarray(from, to),
    end: end.subarray(from, to),
    ...(merged && {
      merged: {
        spans: merged.spans.subarray(from, to),
        busy: merged.busy.subarray(from, to),
        longest: merged.longest.subarray(from, to),
      },
    }),
  };
}

function joined(rows: readonly Row[]): Row {
  const count = rows.reduce((sum, { start }) => sum + start.length, 0);
  const index = new Uint32Array(count);
  const [start, end] = [new Float64Array(count), new Float64Array(count)];
  const merged = {
    spans: new Float64Array(count).fill(1),
    busy: new Float64Array(count),
    longest: new Float64Array(count),
  };
  let at = 0;
  for (const row of rows) {
    index.set(row.index, at);
    start.set(row.start, at);
    end.set(row.end, at);
    const lengths = (): Float64Array => row.end.map((time, k) => time - (row.start[k] ?? 0));
    if (row.merged) merged.spans.set(row.merged.spans, at);
    merged.busy.set(row.merged?.busy ?? lengths(), at);
    merged.longest.set(row.merged?.longest ?? lengths(), at);
    at += row.start.length;
  }
  return { index, start, end, ...(rows.some((row) => row.merged) && { merged }) };
}
