/** Spans of a lane as begins and ends that nest: what overlaps without nesting goes to a track of its own. */

import type { EventColumns } from "../events";

export interface NestedVisit {
  readonly begin: (i: number, track: number) => void;
  readonly end: (i: number, track: number, at: number) => void;
}

/** Visits the spans at `index`, which come by start time with the longest first; gives the number of tracks. */
export function visitNested(events: EventColumns, index: Uint32Array, { begin, end }: NestedVisit): number {
  /** Open spans of each track, the innermost last. */
  const tracks: { i: number; end: number }[][] = [];
  const close = (track: number, until: number): void => {
    const open = tracks[track] ?? [];
    for (let top = open.at(-1); top && top.end <= until; top = open.at(-1)) {
      end(top.i, track, top.end);
      open.pop();
    }
  };
  for (const i of index) {
    const start = events.startNs[i] ?? 0;
    const finish = start + (events.durNs[i] ?? 0);
    let track = 0;
    for (; track < tracks.length; track++) {
      close(track, start);
      const top = tracks[track]?.at(-1);
      if (!top || finish <= top.end) break;
    }
    (tracks[track] ??= []).push({ i, end: finish });
    begin(i, track);
  }
  tracks.forEach((_, track) => close(track, Infinity));
  return tracks.length;
}
