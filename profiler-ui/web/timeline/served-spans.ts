/**
 * The spans of a run that is too long for the page. It holds marks of the whole run and, around the window that is seen, as
 * many as can be told apart there; what is asked about single spans the server answers.
 */

import type { RankAlignment } from "../../trace/alignment";
import type { EventColumns } from "../../trace/events";
import type { Hits } from "../../trace/hits";
import { sameLane, type LaneView, type SpanKey } from "../../trace/lane-view";
import { layered } from "../../trace/layers";
import { bucketNs } from "../../trace/level-of-detail";
import type { HitCount, Move, RankStretch, Stretch } from "../../trace/look";
import { lanesOfMarks, type Grain } from "../../trace/marks";
import type { OpInView } from "../../trace/ops-in-view";
import { parseQuery } from "../../trace/search";
import { lookForEvents, lookForJson, lookForMarks } from "../api";
import { selectionIn, type Selection, type Spans } from "./spans";
import type { View } from "./view";

/** Marks of the whole run, and of the stretch that is known better. */
interface Layers {
  readonly rough: readonly LaneView[];
  readonly sharp: readonly LaneView[];
}

export interface ServedRun {
  readonly id: string;
  readonly length: number;
  /** There is something else to draw. */
  readonly onChange: () => void;
  /** What was asked for did not come. */
  readonly onError: (error: unknown) => void;
}

/** Marks a row of the whole run has at most. */
const ROUGH = 1024;

/** What is fetched on either side of a window, as a share of it: room to pan. */
const ROOM = 0.5;

export class ServedSpans implements Spans {
  #spans: Layers;
  #found: Layers | null = null;
  #count: HitCount = { count: 0, ns: 0, ordinal: 0 };
  #find = "";
  #aligned = false;
  /** What is sharp, and what should be. */
  #window: Grain | null = null;
  #seen: { readonly view: View; readonly pixels: number } | null = null;
  #asking = false;
  /** Counts what was asked of all spans: an answer to an older question is dropped. */
  #epoch = 0;
  #drawn: { readonly lanes: readonly LaneView[]; readonly hits: Hits | null };

  constructor(
    readonly run: ServedRun,
    overview: readonly LaneView[],
  ) {
    this.#spans = { rough: overview, sharp: [] };
    this.#drawn = { lanes: overview, hits: null };
  }

  get lanes(): readonly LaneView[] {
    return this.#drawn.lanes;
  }

  get hits(): Hits | null {
    return this.#drawn.hits;
  }

  see(view: View, pixels: number): void {
    this.#seen = { view, pixels };
    void this.#sharpen();
  }

  async find(text: string): Promise<void> {
    this.#find = parseQuery(text).kind === "terms" ? text : "";
    const epoch = ++this.#epoch;
    await this.#search(epoch);
    if (epoch === this.#epoch) await this.#again();
  }

  async align(alignment: readonly RankAlignment[] | null): Promise<void> {
    this.#aligned = alignment !== null;
    const epoch = ++this.#epoch;
    const lanes = await this.#marks(this.#whole, "");
    await this.#search(epoch);
    if (epoch !== this.#epoch) return;
    const kindsOf = (lane: LaneView): LaneView["kinds"] =>
      this.#spans.rough.find((known) => sameLane(known, lane))?.kinds ?? lane.kinds;
    this.#spans = { rough: lanes.map((lane) => ({ ...lane, kinds: kindsOf(lane) })), sharp: [] };
    await this.#again();
  }

  async selection(key: SpanKey): Promise<Selection | null> {
    const marks = await lookForMarks(this.run.id, { kind: "selection", aligned: this.#aligned, span: key });
    return marks && selectionIn(lanesOfMarks(marks), key);
  }

  go(move: Omit<Move, "find">): Promise<SpanKey | null> {
    return lookForJson(this.run.id, { kind: "go", aligned: this.#aligned, ...move, find: this.#find });
  }

  collective(group: number, seq: number): Promise<SpanKey | null> {
    return lookForJson(this.run.id, { kind: "collective", aligned: this.#aligned, group, seq });
  }

  async ordinal(key: SpanKey): Promise<number> {
    return (await this.#counted(key)).ordinal;
  }

  ops(stretch: RankStretch): Promise<readonly OpInView[]> {
    return lookForJson(this.run.id, { kind: "ops", aligned: this.#aligned, ...stretch });
  }

  events(stretch: Stretch): Promise<EventColumns | null> {
    return lookForEvents(this.run.id, { kind: "spans", aligned: this.#aligned, ...stretch, find: this.#find });
  }

  /** Wide enough for clocks that are corrected by less than the run's length. */
  get #whole(): Grain {
    const { length } = this.run;
    return { from: -length, to: 2 * length, bucket: Math.max(1, length) / ROUGH };
  }

  #counted(span: SpanKey | null): Promise<HitCount> {
    return lookForJson(this.run.id, { kind: "count", aligned: this.#aligned, find: this.#find, span });
  }

  async #marks(grain: Grain, find: string): Promise<LaneView[]> {
    const { from, to, bucket } = grain;
    const marks = await lookForMarks(this.run.id, { kind: "marks", aligned: this.#aligned, from, to, bucket, find });
    return marks ? lanesOfMarks(marks) : [];
  }

  async #search(epoch: number): Promise<void> {
    const [count, rough] =
      this.#find === ""
        ? [this.#count, null]
        : await Promise.all([this.#counted(null), this.#marks(this.#whole, this.#find)]);
    if (epoch !== this.#epoch) return;
    this.#count = count;
    this.#found = rough && { rough, sharp: [] };
  }

  /** Everything that was sharp is asked for anew. */
  async #again(): Promise<void> {
    this.#window = null;
    this.#draw();
    await this.#sharpen();
  }

  /** Asks for what is seen, one question at a time, until it is sharp. */
  async #sharpen(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (let grain = this.#missing(); grain; grain = this.#missing()) {
        const epoch = this.#epoch;
        const [spans, found] = await Promise.all([
          this.#marks(grain, ""),
          this.#found ? this.#marks(grain, this.#find) : [],
        ]);
        if (epoch !== this.#epoch) continue;
        this.#window = grain;
        this.#spans = { ...this.#spans, sharp: spans };
        this.#found &&= { ...this.#found, sharp: found };
        this.#draw();
      }
    } catch (error) {
      this.run.onError(error);
    } finally {
      this.#asking = false;
    }
  }

  /** What must be known to draw the window that is seen; null where it is. */
  #missing(): Grain | null {
    if (!this.#seen) return null;
    const { from, to } = this.#seen.view;
    const bucket = bucketNs((to - from) / Math.max(1, this.#seen.pixels));
    const known = this.#window;
    if (known && known.bucket <= bucket && known.from <= from && known.to >= to) return null;
    const room = ROOM * (to - from);
    return { from: from - room, to: to + room, bucket };
  }

  #draw(): void {
    const shown = ({ rough, sharp }: Layers): readonly LaneView[] =>
      this.#window ? layered(rough, sharp, this.#window.from, this.#window.to) : rough;
    this.#drawn = {
      lanes: shown(this.#spans),
      hits: this.#found && { ...this.#count, lanes: shown(this.#found) },
    };
    this.run.onChange();
  }
}
