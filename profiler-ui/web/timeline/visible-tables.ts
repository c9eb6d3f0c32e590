/** What is on the screen as tables, one a timeline, filled while they are unfolded. */

import { el } from "../dom";
import type { Spans } from "./spans";
import { ranksOf, type Timeline } from "./timeline";
import { visibleTable } from "./visible-table";

export class VisibleTables {
  readonly element: HTMLDetailsElement;
  readonly #tables = el("div", { class: "visible-tables" });

  constructor(
    readonly timelines: readonly Timeline[],
    readonly spansOf: (timeline: Timeline) => Spans,
    readonly onError: (error: unknown) => void,
  ) {
    const summary = el("summary", {}, "What is on the screen, as a table");
    this.element = el("details", { class: "visible" }, summary, this.#tables);
    this.element.addEventListener("toggle", () => void this.fill());
  }

  async fill(): Promise<void> {
    if (!this.element.open) return;
    const views = this.timelines.map(({ view }) => view);
    const tables = await Promise.all(
      this.timelines.map(async (timeline) => {
        const { view, lanes } = timeline;
        const ops = await this.spansOf(timeline).ops({ ...view, firstRank: 0, lastRank: Number.MAX_SAFE_INTEGER });
        return visibleTable(ops, ranksOf(lanes).length, view);
      }),
    ).catch((error: unknown) => this.onError(error));
    if (tables && this.timelines.every(({ view }, k) => view === views[k])) this.#tables.replaceChildren(...tables);
  }
}
