/** The window of time that is drawn, and how it maps to pixels. */

import type { SpanRef } from "../../trace/lane-view";

/** Nanoseconds from the run's start. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** Narrowest window: below it only single digits of nanoseconds would be left. */
export const NARROWEST_NS = 100;

/** `view` moved into [0, length], no narrower than `NARROWEST_NS`. */
export function clampView({ from, to }: View, length: number): View {
  const width = Math.min(length, Math.max(NARROWEST_NS, to - from));
  const start = Math.min(Math.max(0, (from + to - width) / 2), length - width);
  return { from: start, to: start + width };
}

/** `view` `factor` times as wide around the time `centre`, which keeps its place on the screen. */
export function zoomView({ from, to }: View, factor: number, centre: number, length: number): View {
  const width = Math.min(length, Math.max(NARROWEST_NS, (to - from) * factor));
  const share = (centre - from) / (to - from);
  return clampView({ from: centre - share * width, to: centre + (1 - share) * width }, length);
}

/** `view` moved by the share `by` of its width. */
export function panView({ from, to }: View, by: number, length: number): View {
  const distance = (to - from) * by;
  const start = Math.min(Math.max(0, from + distance), length - (to - from));
  return { from: start, to: start + (to - from) };
}

/** Spans with as much room on either side as they take. */
export function viewAround(spans: readonly SpanRef[], length: number): View {
  const start = Math.min(...spans.map(({ lane, index }) => lane.events.startNs[index] ?? 0));
  const end = Math.max(
    ...spans.map(({ lane, index }) => (lane.events.startNs[index] ?? 0) + (lane.events.durNs[index] ?? 0)),
  );
  const dur = end - start;
  return clampView({ from: start - dur, to: end + dur }, length);
}
