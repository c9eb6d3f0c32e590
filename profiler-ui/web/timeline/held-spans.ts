/** The spans of a run of which the page has all, or as yet only an outline. */

import type { RankAlignment } from "../../trace/alignment";
import type { EventColumns } from "../../trace/events";
import type { Hits } from "../../trace/hits";
import { alignLanes, type LaneView, type SpanKey } from "../../trace/lane-view";
import { Looker, type Move, type RankStretch, type Stretch } from "../../trace/look";
import type { OpInView } from "../../trace/ops-in-view";
import { selectionIn, type Selection, type Spans } from "./spans";

/* Promises, because a server's answers come as such. */
/* eslint-disable @typescript-eslint/require-await */
export class HeldSpans implements Spans {
  #looker: Looker;
  #hits: Hits | null = null;
  #find = "";

  /** `origin`: the run's time at which the lanes' time begins; `onChange`: there is something else to draw. */
  constructor(
    readonly recorded: readonly LaneView[],
    readonly origin: number,
    readonly onChange: () => void,
  ) {
    this.#looker = new Looker(recorded);
  }

  get lanes(): readonly LaneView[] {
    return this.#looker.lanes;
  }

  get hits(): Hits | null {
    return this.#hits;
  }

  see(): void {
    // All that there is to see is at hand.
  }

  async find(text: string): Promise<void> {
    this.#find = text;
    this.#hits = this.#looker.hits(text);
    this.onChange();
  }

  async align(alignment: readonly RankAlignment[] | null): Promise<void> {
    this.#looker = new Looker(alignment ? alignLanes(this.recorded, alignment, this.origin) : this.recorded);
    await this.find(this.#find);
  }

  async selection(key: SpanKey): Promise<Selection | null> {
    return selectionIn(this.lanes, key);
  }

  async go(move: Omit<Move, "find">): Promise<SpanKey | null> {
    return this.#looker.go({ ...move, find: this.#find });
  }

  async collective(group: number, seq: number): Promise<SpanKey | null> {
    return this.#looker.collective(group, seq);
  }

  async ordinal(key: SpanKey): Promise<number> {
    return this.#looker.count(this.#find, key).ordinal;
  }

  async ops(stretch: RankStretch): Promise<readonly OpInView[]> {
    return this.#looker.ops(stretch);
  }

  async events(stretch: Stretch): Promise<EventColumns | null> {
    return this.#looker.spans(stretch, this.#find);
  }
}
