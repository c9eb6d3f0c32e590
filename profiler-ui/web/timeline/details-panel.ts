/** The panel under the timelines: what is selected, a span or an area, or what could be. */

import type { OpInView } from "../../trace/ops-in-view";
import { el } from "../dom";
import { areaDetails, type Area } from "./area";
import { detailsOf, noDetails, waitOf } from "./details";
import type { Spans } from "./spans";
import { ranksOf, type Timeline } from "./timeline";

export interface DetailsPanelActions {
  readonly fit: () => void;
  readonly fitArea: (timeline: Timeline, area: Area) => void;
  readonly clear: (timeline: Timeline) => void;
  readonly clearArea: (timeline: Timeline) => void;
  /** Select the previous or next span of the same op. */
  readonly occurrence: (direction: -1 | 1) => void;
  readonly longestWait: () => void;
}

export class DetailsPanel {
  readonly element: HTMLElement = el(
    "section",
    { class: "details", "aria-label": "Selected span", "aria-live": "polite" },
    noDetails(null),
  );

  constructor(
    readonly timelines: readonly Timeline[],
    readonly spansOf: (timeline: Timeline) => Spans,
    readonly actions: DetailsPanelActions,
  ) {}

  /** Shows what is selected on any of the timelines. */
  async show(): Promise<void> {
    const shown = this.timelines.find(({ selected, area }) => selected !== null || area !== null);
    const { area = null, selected = null } = shown ?? {};
    const stretch = area ?? waitOf(shown?.linked ?? []);
    const ops = shown && stretch ? await this.spansOf(shown).ops(stretch) : [];
    // Meanwhile something else may have been selected.
    if (shown && (shown.area !== area || shown.selected !== selected)) return;
    this.element.replaceChildren(shown ? this.#detailsIn(shown, ops) : this.#hint());
  }

  /** What the panel says while nothing is selected. */
  #hint(): HTMLElement {
    const lanes = this.timelines.flatMap((timeline) => timeline.lanes);
    const ranksWait = lanes.some(({ kinds }) => kinds.has("collective")) && lanes.length > 1;
    return noDetails(ranksWait ? this.actions.longestWait : null);
  }

  #detailsIn(timeline: Timeline, ops: readonly OpInView[]): HTMLElement {
    const { area, selected, lanes, linked } = timeline;
    const { fit, fitArea, clear, clearArea, occurrence } = this.actions;
    if (area) {
      const ranks = ranksOf(lanes).filter((rank) => rank >= area.firstRank && rank <= area.lastRank);
      const actions = { fit: () => fitArea(timeline, area), clear: () => clearArea(timeline) };
      return areaDetails(ops, ranks.length, area, actions);
    }
    if (!selected) return this.#hint();
    return detailsOf(selected, linked, ops, { fit, clear: () => clear(timeline), occurrence });
  }
}
