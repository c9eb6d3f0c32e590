/** The card beside the pointer: the same for everything that can be hovered. */

import { formatCount, formatTime } from "../../trace/format";
import { KIND_COLOURS } from "../../trace/palette";
import { el, swatch } from "../dom";
import { placeOf } from "./draw-overlay";
import type { SpanRef } from "../../trace/lane-view";
import { contextOf, factsOf, kindOf, nameOf } from "./span-facts";

export class HoverCard {
  readonly element: HTMLElement = el("div", { class: "card", role: "presentation", hidden: true });

  /** `merged`: how many spans share the pixel, of which `span` is the longest. */
  show(span: SpanRef, merged: number, x: number, y: number): void {
    const { events } = span.lane;
    const wire = factsOf(span).filter(([label]) => label === "wire" || label === "sent");
    this.element.replaceChildren(
      el(
        "p",
        { class: "card-title" },
        swatch(KIND_COLOURS[kindOf(span)]),
        el("strong", {}, nameOf(span)),
        el("span", { class: "figure" }, formatTime(events.durNs[span.index] ?? 0)),
      ),
      el("p", {}, `${placeOf(span.lane)} · ${contextOf(span)}`),
      ...(wire.length > 0 ? [el("p", {}, wire.map(([, value]) => value).join(" · "))] : []),
      ...(merged > 1
        ? [el("p", { class: "muted" }, `longest of ${formatCount(merged)} spans here; zoom in to tell them apart`)]
        : []),
    );
    this.element.hidden = false;
    this.#place(x, y);
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Below and right of the pointer, or on its other side where the window ends. */
  #place(x: number, y: number): void {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
    const top = y + 16 + height > innerHeight ? y - 12 - height : y + 16;
    this.element.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}
