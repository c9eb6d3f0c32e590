/** The runs of a pane, loaded side by side: something useful of each stands there at once and then sharpens. */

import type { RunInfo } from "../../trace/run";
import { HeldSpans } from "./held-spans";
import { loadLanes, loadOverview, loadSketch } from "./load";
import { ServedSpans } from "./served-spans";
import type { Spans } from "./spans";

/** Makes spans that call back when there is something else to draw. */
export type SpansMaker = (onChange: () => void) => Spans;

/** What becomes known of run `k`. */
export interface LoadingSteps {
  /** Nanoseconds from its first span's start to the end of its last; told before it is outlined. */
  readonly onLength: (k: number, length: number) => void;
  /** It can be drawn from end to end, the first time roughly. */
  readonly onOutline: (k: number, spansOf: SpansMaker) => void;
  /** The whole of it is to be seen. */
  readonly onShown: (k: number) => void;
  /** More of its spans are here. */
  readonly onSpans: (k: number, spansOf: SpansMaker) => void;
  /** Share of all events that has arrived, 0..1. */
  readonly onProgress: (done: number) => void;
  /** What was asked for later, as the window moved, did not come. */
  readonly onError: (error: unknown) => void;
}

/** Loads all events of the runs that are short enough; `isSketched`: each is to be drawn roughly before it is read. */
export async function loadRuns(runs: readonly RunInfo[], isSketched: boolean, steps: LoadingSteps): Promise<void> {
  const { onLength, onOutline, onShown, onSpans, onProgress, onError } = steps;
  if (isSketched) {
    const sketches = await Promise.all(runs.map(({ id }) => loadSketch(id)));
    for (const [k, { length }] of sketches.entries()) onLength(k, length);
    for (const [k, { lanes }] of sketches.entries()) onOutline(k, (onChange) => new HeldSpans(lanes, 0, onChange));
  }
  const overviews = await Promise.all(
    runs.map(async ({ id }, k) => {
      const overview = await loadOverview(id);
      const { lanes, length, origin, isShort } = overview;
      onLength(k, length);
      onOutline(k, (onChange) =>
        isShort ? new HeldSpans(lanes, origin, onChange) : new ServedSpans({ id, length, onChange, onError }, lanes),
      );
      onShown(k);
      return { id, overview };
    }),
  );
  const done = runs.map(() => 0);
  const loading = overviews.map(async ({ id, overview }, k) => {
    if (!overview.isShort) return;
    await loadLanes(id, overview, (lanes, share) => {
      onSpans(k, (onChange) => new HeldSpans(lanes, overview.origin, onChange));
      done[k] = share;
      onProgress(done.reduce((sum, value) => sum + value, 0) / done.length);
    });
  });
  await Promise.all(loading);
}
