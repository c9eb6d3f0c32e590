/** A run's spans as a timeline draws them and asks for them, whoever holds them: the page, or the server where they are too many. */

import type { RankAlignment } from "../../trace/alignment";
import type { EventColumns } from "../../trace/events";
import type { Hits } from "../../trace/hits";
import { findSpan, type LaneView, type SpanKey, type SpanRef } from "../../trace/lane-view";
import type { Move, RankStretch, Stretch } from "../../trace/look";
import { linkedSpans } from "../../trace/navigation";
import type { OpInView } from "../../trace/ops-in-view";
import type { View } from "./view";

export interface Spans {
  /** What can be drawn now; of several spans in a pixel maybe the longest alone. */
  readonly lanes: readonly LaneView[];
  /** What the last search found; null where it asks for nothing in particular. */
  readonly hits: Hits | null;
  /** Says what is looked at, on how many pixels: what is drawn becomes sharp there. */
  see(view: View, pixels: number): void;
  find(text: string): Promise<void>;
  /** Corrects the ranks' clocks, or shows them as recorded. */
  align(alignment: readonly RankAlignment[] | null): Promise<void>;
  /** Null where there is no such span, or not yet. */
  selection(key: SpanKey): Promise<Selection | null>;
  /** Where a move leads, to a hit those of the last search. */
  go(move: Omit<Move, "find">): Promise<SpanKey | null>;
  collective(group: number, seq: number): Promise<SpanKey | null>;
  /** Which hit a span is, from one; 0 if it is none. */
  ordinal(key: SpanKey): Promise<number>;
  ops(stretch: RankStretch): Promise<readonly OpInView[]>;
  /** The spans that reach into a stretch, of a search its hits: `MOST_SPANS` at most. */
  events(stretch: Stretch): Promise<EventColumns | null>;
}

export interface Selection {
  readonly span: SpanRef;
  /** The same collective on every rank; empty for a span that is none. */
  readonly linked: readonly SpanRef[];
}

export function selectionIn(lanes: readonly LaneView[], key: SpanKey): Selection | null {
  const span = findSpan(lanes, key);
  return span && { span, linked: linkedSpans(lanes, span) };
}
