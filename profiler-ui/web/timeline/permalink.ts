/** What is seen as the page's address keeps it: `#from=…&to=…&span=0.1.0.12345&hide=norm&find=scan&fold=1&area=…`. */

import type { Area } from "./area";
import { spanText, type SpanKey } from "../../trace/lane-view";
import type { View } from "./view";

export interface PaneState {
  readonly view: View | null;
  readonly span: SpanKey | null;
  /** Which of several runs the span or area belongs to. */
  readonly run: number;
  readonly hidden: readonly string[];
  readonly pinned: readonly number[];
  readonly folded: readonly number[];
  /** Text of the search. */
  readonly find: string;
  readonly area: Area | null;
}

export function readState(hash: string): PaneState {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const from = Number(fields.get("from") ?? NaN);
  const to = Number(fields.get("to") ?? NaN);
  const [spanRun = 0, rank, stream, depth, start] = (fields.get("span") ?? "").split(".").map(Number);
  const known = [spanRun, rank, stream, depth, start].every((value) => Number.isSafeInteger(value));
  const [areaRun = 0, areaFrom = NaN, areaTo = NaN, firstRank = NaN, lastRank = NaN] = (fields.get("area") ?? "")
    .split(".")
    .map(Number);
  const isArea = areaTo > areaFrom && areaFrom >= 0 && lastRank >= firstRank && firstRank >= 0;
  const run = isArea ? areaRun : spanRun;
  return {
    view: to > from && from >= 0 ? { from, to } : null,
    span: known ? { rank: rank ?? 0, stream: stream ?? 0, depth: depth ?? 0, start: start ?? 0 } : null,
    run,
    hidden: (fields.get("hide") ?? "").split(",").filter((kind) => kind !== ""),
    pinned: numbersOf(fields.get("pin")),
    folded: numbersOf(fields.get("fold")),
    find: fields.get("find") ?? "",
    area: isArea ? { from: areaFrom, to: areaTo, firstRank, lastRank } : null,
  };
}

function numbersOf(text: string | null): number[] {
  return (text ?? "")
    .split(",")
    .filter((part) => /^\d{1,5}$/.test(part))
    .map(Number);
}

/** "" for the state in which a page opens. */
export function writeState({ view, span, run, hidden, pinned, folded, find, area }: PaneState): string {
  const fields: string[] = [];
  if (view) fields.push(`from=${Math.round(view.from)}`, `to=${Math.round(view.to)}`);
  if (span) fields.push(`span=${run}.${spanText(span)}`);
  if (area)
    fields.push(`area=${[run, Math.round(area.from), Math.round(area.to), area.firstRank, area.lastRank].join(".")}`);
  if (hidden.length > 0) fields.push(`hide=${hidden.join(",")}`);
  if (pinned.length > 0) fields.push(`pin=${pinned.join(",")}`);
  if (folded.length > 0) fields.push(`fold=${folded.join(",")}`);
  if (find !== "") fields.push(`find=${encodeURIComponent(find)}`);
  return fields.length === 0 ? "" : `#${fields.join("&")}`;
}
