/** A run for speedscope: one evented profile a rank and stream. */

import type { EventColumns } from "../events";
import { streamName } from "../kinds";
import { laneIndices } from "../lanes";
import type { RunInfo } from "../run";
import { marksOf, tracksOf } from "./nesting";

/** The text of the file, a mark at a time. */
export function* speedscopeTrace(events: EventColumns, info: RunInfo): Generator<string> {
  const header = {
    $schema: "https://www.speedscope.app/file-format-schema.json",
    exporter: `stateline@${info.versions["stateline"] ?? ""}`,
    name: info.label || info.id,
    activeProfileIndex: 0,
    shared: { frames: events.name.texts.map((name) => ({ name })) },
  };
  yield `${JSON.stringify(header).slice(0, -1)},"profiles":[`;
  let written = 0;
  for (const { rank, stream, index } of laneIndices(events)) {
    for (const [number, track] of tracksOf(events, index).entries()) {
      const profile = {
        type: "evented",
        name: `rank ${rank}, ${streamName(stream)}${number === 0 ? "" : `, overlapping ${number}`}`,
        unit: "nanoseconds",
        ...extentOf(events, track),
      };
      yield `${written++ > 0 ? "," : ""}\n${JSON.stringify(profile).slice(0, -1)},"events":[`;
      let marks = 0;
      for (const { isBegin, i, at } of marksOf(events, track))
        yield `${marks++ > 0 ? "," : ""}{"type":"${isBegin ? "O" : "C"}","frame":${events.name.codes[i] ?? 0},"at":${at}}`;
      yield "]}";
    }
  }
  yield "\n]}\n";
}

function extentOf({ startNs, durNs }: EventColumns, track: Uint32Array): { startValue: number; endValue: number } {
  let endValue = 0;
  for (const i of track) endValue = Math.max(endValue, (startNs[i] ?? 0) + (durNs[i] ?? 0));
  return { startValue: startNs[track[0] ?? 0] ?? 0, endValue };
}
