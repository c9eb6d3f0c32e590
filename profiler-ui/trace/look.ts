/**
 * What a page asks of a run's spans. Where the page holds them all it asks itself; of a run that is too long for it, it asks
 * the server, which looks by the same functions. Times are nanoseconds from the run's first span.
 */

import { concatenate, pick } from "./columns";
import type { EventColumns } from "./events";
import { findHits, nextHit, ordinalOf, type Hits } from "./hits";
import { findSpan, spanKey, type LaneView, type SpanKey, type SpanRef } from "./lane-view";
import { firstReaching, lowerBound, rowAt } from "./lanes";
import { buildForest } from "./level-of-detail";
import { marksIn, since, type Grain, type Marks } from "./marks";
import { collectiveIn, firstIn, linkedSpans, neighbourOf, occurrenceOf, rowBeside } from "./navigation";
import { opsInView, type OpInView } from "./ops-in-view";
import { parseQuery } from "./search";

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface RankStretch extends Stretch {
  readonly firstRank: number;
  readonly lastRank: number;
}

/** Along its row, to the next of its op, to the row beside, to a hit. */
export const MOVES = ["neighbour", "occurrence", "row", "hit"] as const;

/** A way from a span, or from a stretch where there is none to go from. */
export interface Move extends Stretch {
  readonly move: (typeof MOVES)[number];
  readonly direction: -1 | 1;
  readonly span: SpanKey | null;
  /** The search whose hits are meant. */
  readonly find: string;
}

export interface HitCount {
  readonly count: number;
  /** Their time together. */
  readonly ns: number;
  /** Which of them the span is that was named, from one; 0 if it is none. */
  readonly ordinal: number;
}

/** `aligned`: with the ranks' clocks corrected. */
export type Look = { readonly aligned: boolean } & (
  | ({ readonly kind: "marks"; readonly find: string } & Grain)
  | { readonly kind: "count"; readonly find: string; readonly span: SpanKey | null }
  | ({ readonly kind: "ops" } & RankStretch)
  | ({ readonly kind: "spans"; readonly find: string } & Stretch)
  | ({ readonly kind: "go" } & Move)
  | { readonly kind: "collective"; readonly group: number; readonly seq: number }
  | { readonly kind: "selection"; readonly span: SpanKey }
);

/** Spans of one answer at most. */
export const MOST_SPANS = 200_000;

/** Answers from lanes whose first span starts at `origin`. */
export class Looker {
  #found: { readonly find: string; readonly hits: Hits | null } = { find: "", hits: null };

  constructor(
    readonly lanes: readonly LaneView[],
    readonly origin: number = 0,
  ) {}

  /** The spans that a search finds; null where it asks for nothing in particular. The last search's are kept. */
  hits(find: string): Hits | null {
    if (find !== this.#found.find) this.#found = { find, hits: findHits(this.lanes, parseQuery(find)) };
    return this.#found.hits;
  }

  /** What draws a stretch at one zoom; of a search what it found there. */
  marks(grain: Grain, find: string): Marks | null {
    return marksIn(this.hits(find)?.lanes ?? this.lanes, grain, this.origin);
  }

  count(find: string, key: SpanKey | null): HitCount {
    const hits = this.hits(find);
    const span = key && this.#span(key);
    return { count: hits?.count ?? 0, ns: hits?.ns ?? 0, ordinal: hits && span ? ordinalOf(hits, span) : 0 };
  }

  /** What ran in a stretch on some ranks, by op. */
  ops({ from, to, firstRank, lastRank }: RankStretch): OpInView[] {
    const inside = this.lanes.filter(({ rank }) => rank >= firstRank && rank <= lastRank);
    return opsInView(inside, from + this.origin, to + this.origin);
  }

  /** The spans that reach into a stretch, of a search its hits, lane by lane; at most `MOST_SPANS`. */
  spans({ from, to }: Stretch, find: string): EventColumns | null {
    let room = MOST_SPANS;
    const pieces = (this.hits(find)?.lanes ?? this.lanes).map(({ events, rows }) => {
      const chosen: number[] = [];
      for (const { row } of rows) {
        const after = lowerBound(row.start, to + this.origin);
        for (let k = firstReaching(row, from + this.origin); k < after && room > 0; k++, room--)
          chosen.push(row.index[k] ?? 0);
      }
      return pick(events, Uint32Array.from(chosen));
    });
    const [first, ...rest] = pieces;
    return first ? since(this.origin, concatenate([first, ...rest])) : null;
  }

  /** Where a move leads. */
  go({ move, direction, span: key, from, to, find }: Move): SpanKey | null {
    const span = key && this.#span(key);
    if (move === "hit") {
      const hits = this.hits(find);
      const start = (direction > 0 ? from : to) + this.origin;
      return this.#key(hits && nextHit(hits, span ?? start, direction));
    }
    if (!span) return this.#key(firstIn(this.lanes, from + this.origin, to + this.origin));
    if (move === "row") return this.#key(rowBeside(this.lanes, span, direction));
    return this.#key((move === "neighbour" ? neighbourOf : occurrenceOf)(span, direction));
  }

  /** A collective's span on the first rank that has it. */
  collective(group: number, seq: number): SpanKey | null {
    return this.#key(collectiveIn(this.lanes, group, seq)[0] ?? null);
  }

  /** A span with those of its collective on other ranks, and the steps inside them. */
  selection(key: SpanKey): Marks | null {
    const span = this.#span(key);
    if (!span) return null;
    const linked = linkedSpans(this.lanes, span);
    const lanes = this.lanes.map((lane): LaneView => {
      const own = linked.filter((one) => one.lane === lane);
      const rows = lane.rows.map(({ row }, depth) => {
        const chosen = new Set(
          [span, ...own].filter((one) => one.lane === lane && one.depth === depth).map(({ position }) => position),
        );
        if (depth === 1) for (const one of own) for (const position of insideOf(one)) chosen.add(position);
        return buildForest(
          rowAt(
            row,
            [...chosen].sort((a, b) => a - b),
          ),
        );
      });
      return { ...lane, rows };
    });
    return marksIn(lanes, { from: -Infinity, to: Infinity, bucket: SINGLE }, this.origin);
  }

  #span(key: SpanKey): SpanRef | null {
    return findSpan(this.lanes, { ...key, start: key.start + this.origin });
  }

  #key(span: SpanRef | null): SpanKey | null {
    if (!span) return null;
    const key = spanKey(span);
    return { ...key, start: key.start - this.origin };
  }
}

/** So short that no two spans are merged: starts and lengths are whole nanoseconds. */
const SINGLE = 0.5;

/** Positions of the spans in the row below one of the outermost that begin while it runs. */
function insideOf({ lane, index }: SpanRef): number[] {
  const row = lane.rows[1]?.row;
  if (!row) return [];
  const start = lane.events.startNs[index] ?? 0;
  const first = lowerBound(row.start, start);
  const after = lowerBound(row.start, start + (lane.events.durNs[index] ?? 0));
  return Array.from({ length: after - first }, (_, k) => first + k);
}
