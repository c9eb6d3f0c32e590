/** Spans of a lane as begins and ends that nest: what overlaps without nesting goes to a track of its own. */

import type { EventColumns } from "../events";

/** Tracks of a lane at most; what finds room on none ends, on the last one, with the span that it overlaps. */
export const MOST_TRACKS = 64;

/** Splits the spans at `index`, which come by start time with the longest first, into tracks, each in the same order. */
export function tracksOf(events: EventColumns, index: Uint32Array): Uint32Array[] {
  /** Ends of the open spans of each track, the innermost last. */
  const open: number[][] = [];
  const trackOf = new Uint8Array(index.length);
  const counts: number[] = [];
  for (let k = 0; k < index.length; k++) {
    const i = index[k] ?? 0;
    const start = events.startNs[i] ?? 0;
    const finish = start + (events.durNs[i] ?? 0);
    let track = 0;
    for (; track < open.length; track++) {
      const ends = open[track] ?? [];
      while (ends.length > 0 && (ends.at(-1) ?? 0) <= start) ends.pop();
      if (ends.length === 0 || finish <= (ends.at(-1) ?? 0) || track === MOST_TRACKS - 1) break;
    }
    const ends = (open[track] ??= []);
    ends.push(Math.min(finish, ends.at(-1) ?? Infinity));
    trackOf[k] = track;
    counts[track] = (counts[track] ?? 0) + 1;
  }
  if (open.length <= 1) return open.map(() => index);
  const tracks = counts.map((count) => new Uint32Array(count));
  const used = new Uint32Array(tracks.length);
  for (let k = 0; k < index.length; k++) {
    const track = trackOf[k] ?? 0;
    const at = used[track] ?? 0;
    (tracks[track] ?? index)[at] = index[k] ?? 0;
    used[track] = at + 1;
  }
  return tracks;
}

/** The begin or the end of the span `i`. */
export interface SpanMark {
  readonly isBegin: boolean;
  readonly i: number;
  readonly at: number;
}

/** Begins and ends of a track in order of time. */
export function* marksOf(events: EventColumns, track: Uint32Array): Generator<SpanMark, undefined> {
  const open: SpanMark[] = [];
  for (const i of track) {
    const start = events.startNs[i] ?? 0;
    for (let top = open.at(-1); top && top.at <= start; top = open.at(-1)) {
      yield top;
      open.pop();
    }
    const finish = start + (events.durNs[i] ?? 0);
    open.push({ isBegin: false, i, at: Math.min(finish, open.at(-1)?.at ?? Infinity) });
    yield { isBegin: true, i, at: start };
  }
  yield* open.reverse();
}
