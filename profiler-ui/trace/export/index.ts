/** A run in other tools' formats, in pieces, so that a large one never stands in memory as one text. */

import type { EventColumns } from "../events";
import type { RunInfo } from "../run";
import { timelineSvg } from "../timeline-svg";
import { chromeTrace } from "./chrome";
import { perfettoTrace } from "./perfetto";
import { speedscopeTrace } from "./speedscope";

/** Formats that are made of a run's events alone; Parquet needs a database and is `kernel/api`'s. */
export type TraceFormat = "perfetto" | "chrome" | "speedscope" | "svg";

export const TRACE_FORMATS: readonly TraceFormat[] = ["perfetto", "chrome", "speedscope", "svg"];

/** How files of a format end, and what the web calls them. */
export const FILE_TYPES: Readonly<Record<TraceFormat | "parquet", { readonly ending: string; readonly mime: string }>> =
  {
    perfetto: { ending: ".pftrace", mime: "application/octet-stream" },
    chrome: { ending: ".json", mime: "application/json" },
    speedscope: { ending: ".speedscope.json", mime: "application/json" },
    svg: { ending: ".svg", mime: "image/svg+xml" },
    parquet: { ending: ".parquet", mime: "application/vnd.apache.parquet" },
  };

/** The file's pieces. `rank` takes that rank alone, which only "chrome" can. */
export function* exportTrace(
  format: TraceFormat,
  events: EventColumns,
  info: RunInfo,
  rank?: number,
): Generator<Uint8Array<ArrayBuffer>, undefined> {
  if (format === "perfetto") {
    yield* perfettoTrace(events, info);
    return;
  }
  const utf8 = new TextEncoder();
  let piece = "";
  for (const text of textOf(format, events, info, rank)) {
    piece += text;
    if (piece.length < PIECE) continue;
    yield utf8.encode(piece);
    piece = "";
  }
  if (piece !== "") yield utf8.encode(piece);
}

/** Characters of a piece, which is asked for as a whole. */
const PIECE = 1 << 19;

function textOf(
  format: Exclude<TraceFormat, "perfetto">,
  events: EventColumns,
  info: RunInfo,
  rank: number | undefined,
): Iterable<string> {
  switch (format) {
    case "chrome":
      return chromeTrace(events, info, rank);
    case "speedscope":
      return speedscopeTrace(events, info);
    case "svg":
      return [timelineSvg(events, { title: info.label })];
  }
}
