/** Beside the lanes: each rank's name, which folds it, and a pin, which brings it to the top. */

import { el } from "../dom";
import { HEADER, seenAt, type Arrangement, type Layout, type Scroll } from "./layout";

export interface RankToolActions {
  readonly fold: (rank: number) => void;
  readonly pin: (rank: number) => void;
  /** Scroll the lanes so that the rank is seen: its tools have the keyboard. */
  readonly reveal: (rank: number) => void;
}

export class RankTools {
  readonly element: HTMLElement = el("div", { class: "rank-tools", role: "group", "aria-label": "Ranks" });
  #shown = "";

  constructor(readonly actions: RankToolActions) {}

  /** Puts the tools beside the ranks as they stand now. */
  show(layout: Layout, { pinned, folded }: Arrangement, scroll: Scroll, height: number): void {
    this.element.style.height = `${height - HEADER}px`;
    this.element.style.top = `${HEADER}px`;
    const shown = JSON.stringify([layout.ranks.map(({ rank }) => rank), [...pinned], [...folded]]);
    if (shown !== this.#shown) this.#fill(layout, pinned, folded);
    this.#shown = shown;
    layout.ranks.forEach(({ y }, k) => {
      const tool = this.element.children[k];
      if (!(tool instanceof HTMLElement)) return;
      const seen = seenAt(y, scroll);
      tool.style.transform = `translateY(${seen}px)`;
      // Under the ranks that stand still there is nothing to press, nor to see.
      tool.classList.toggle("under", y >= scroll.fixed && seen < scroll.fixed);
    });
  }

  #fill({ ranks }: Layout, pinned: ReadonlySet<number>, folded: ReadonlySet<number>): void {
    const focused = this.element.contains(document.activeElement)
      ? document.activeElement?.getAttribute("aria-label")
      : null;
    this.element.replaceChildren(
      ...ranks.map(({ rank }) =>
        el(
          "div",
          { class: `rank-tool${folded.has(rank) ? " folded" : ""}`, onfocusin: () => this.actions.reveal(rank) },
          el(
            "button",
            {
              type: "button",
              "aria-expanded": String(!folded.has(rank)),
              "aria-label": `Rank ${rank}, fold`,
              title: folded.has(rank) ? "Unfold this rank" : "Fold this rank",
              onclick: () => this.actions.fold(rank),
            },
            el("span", { class: "caret", "aria-hidden": "true" }, folded.has(rank) ? "▸" : "▾"),
            `rank ${rank}`,
          ),
          el(
            "button",
            {
              type: "button",
              class: "pin",
              "aria-pressed": String(pinned.has(rank)),
              "aria-label": `Rank ${rank}, pin to the top`,
              title: pinned.has(rank)
                ? "Let it go back to its place"
                : "Pin to the top, where it stays while the others scroll",
              onclick: () => this.actions.pin(rank),
            },
            "⇱",
          ),
        ),
      ),
    );
    if (focused) this.element.querySelector<HTMLElement>(`[aria-label="${focused}"]`)?.focus();
  }
}
