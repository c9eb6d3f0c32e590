/** A run for speedscope: one evented profile a rank and stream. */

import type { EventColumns } from "../events";
import { streamName } from "../kinds";
import { laneIndices } from "../lanes";
import type { RunInfo } from "../run";
import { visitNested } from "./nesting";

interface Profile {
  readonly name: string;
  readonly events: { readonly type: "O" | "C"; readonly frame: number; readonly at: number }[];
}

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
    const profiles: Profile[] = [];
    const profileOf = (track: number): Profile =>
      (profiles[track] ??= {
        name: `rank ${rank}, ${streamName(stream)}${track === 0 ? "" : `, overlapping ${track}`}`,
        events: [],
      });
    visitNested(events, index, {
      begin: (i, track) =>
        profileOf(track).events.push({ type: "O", frame: events.name.codes[i] ?? 0, at: events.startNs[i] ?? 0 }),
      end: (i, track, at) => profileOf(track).events.push({ type: "C", frame: events.name.codes[i] ?? 0, at }),
    });
    for (const { name, events: marks } of profiles) {
      const profile = {
        type: "evented",
        name,
        unit: "nanoseconds",
        startValue: marks[0]?.at ?? 0,
        endValue: marks.at(-1)?.at ?? 0,
        events: marks,
      };
      yield `${written++ > 0 ? "," : ""}\n${JSON.stringify(profile)}`;
    }
  }
  yield "\n]}\n";
}
