/** The window, the selection and the hidden kinds as the page's address keeps them: `#from=…&to=…&span=0.1.0.12345&hide=norm`. */

import type { SpanKey } from "./lane-view";
import type { View } from "./view";

export interface PaneState {
  readonly view: View | null;
  readonly span: SpanKey | null;
  /** Which of several runs the span belongs to. */
  readonly run: number;
  readonly hidden: readonly string[];
}

export function readState(hash: string): PaneState {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const from = Number(fields.get("from") ?? NaN);
  const to = Number(fields.get("to") ?? NaN);
  const [run = 0, rank, stream, depth, start] = (fields.get("span") ?? "").split(".").map(Number);
  const known = [run, rank, stream, depth, start].every((value) => Number.isSafeInteger(value));
  return {
    view: to > from && from >= 0 ? { from, to } : null,
    span: known ? { rank: rank ?? 0, stream: stream ?? 0, depth: depth ?? 0, start: start ?? 0 } : null,
    run,
    hidden: (fields.get("hide") ?? "").split(",").filter((kind) => kind !== ""),
  };
}

/** "" for the state in which a page opens. */
export function writeState({ view, span, run, hidden }: PaneState): string {
  const fields: string[] = [];
  if (view) fields.push(`from=${Math.round(view.from)}`, `to=${Math.round(view.to)}`);
  if (span) fields.push(`span=${[run, span.rank, span.stream, span.depth, span.start].join(".")}`);
  if (hidden.length > 0) fields.push(`hide=${hidden.join(",")}`);
  return fields.length === 0 ? "" : `#${fields.join("&")}`;
}
