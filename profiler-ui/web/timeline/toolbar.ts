/** Legend and buttons above a timeline. */

import { formatTime } from "../../trace/format";
import { KIND_LABELS, KINDS, type Kind } from "../../trace/kinds";
import { KIND_COLOURS, wirePattern } from "../../trace/palette";
import { el, swatch } from "../dom";
import type { LaneView } from "../../trace/lane-view";
import { drawPattern } from "./patterns";
import type { View } from "./view";

export interface ToolbarActions {
  readonly toggleKind: (kind: Kind) => void;
  readonly zoom: (factor: number) => void;
  readonly fit: () => void;
  readonly help: () => void;
  /** Save what is seen as a file. */
  readonly save: (format: "png" | "svg" | "csv") => void;
}

export class Toolbar {
  readonly element: HTMLElement;
  readonly #legend = el("div", { class: "legend", role: "group", "aria-label": "Kinds of op; press to fade" });
  readonly #range = el("output", { class: "range figure" });
  #shown = "";

  constructor(
    readonly actions: ToolbarActions,
    search: HTMLElement,
  ) {
    this.element = el(
      "div",
      { class: "toolbar" },
      search,
      el("span", { class: "grow" }),
      this.#range,
      el(
        "button",
        {
          type: "button",
          class: "icon",
          title: "Zoom in (W)",
          "aria-label": "Zoom in",
          onclick: () => actions.zoom(0.5),
        },
        "+",
      ),
      el(
        "button",
        {
          type: "button",
          class: "icon",
          title: "Zoom out (S)",
          "aria-label": "Zoom out",
          onclick: () => actions.zoom(2),
        },
        "−",
      ),
      saveMenu(actions.save),
      el("button", { type: "button", class: "icon wide", title: "Fit (F)", onclick: actions.fit }, "Fit"),
      el(
        "button",
        { type: "button", class: "icon", title: "Keys (?)", "aria-label": "Keys", onclick: actions.help },
        "?",
      ),
      this.#legend,
    );
  }

  setView({ from, to }: View): void {
    this.#range.textContent = `${formatTime(from)} – ${formatTime(to)} (${formatTime(to - from)})`;
  }

  /** Lists the kinds and wire types that the lanes hold. */
  setLegend(lanes: readonly LaneView[], hidden: ReadonlySet<string>): void {
    const kinds = KINDS.filter((kind) => kind !== "host" && lanes.some(({ kinds: onLane }) => onLane.has(kind)));
    const wires = [...new Set(lanes.flatMap(({ events }) => events.wireType.texts))].filter((wire) => wire !== "");
    const shown = JSON.stringify([kinds, wires, [...hidden]]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = this.#legend.contains(document.activeElement)
      ? document.activeElement?.getAttribute("data-kind")
      : null;
    this.#legend.replaceChildren(
      ...kinds.map((kind) =>
        el(
          "button",
          {
            type: "button",
            class: "key",
            "data-kind": kind,
            "aria-pressed": String(!hidden.has(kind)),
            onclick: () => this.actions.toggleKind(kind),
          },
          swatch(KIND_COLOURS[kind]),
          KIND_LABELS[kind],
        ),
      ),
      ...wires.map((wire) => el("span", { class: "key wire" }, wireSwatch(wire), wire)),
    );
    if (focused) this.#legend.querySelector<HTMLElement>(`[data-kind="${focused}"]`)?.focus();
  }
}

function saveMenu(save: ToolbarActions["save"]): HTMLElement {
  const item = (format: "png" | "svg" | "csv", name: string): HTMLElement =>
    el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => {
            menu.open = false;
            save(format);
          },
        },
        name,
      ),
    );
  const menu = el(
    "details",
    { class: "menu" },
    el("summary", { title: "Save what is on the screen" }, "Save"),
    el(
      "ul",
      { class: "short", "aria-label": "Save what is on the screen" },
      item("png", "Picture (PNG)"),
      item("svg", "Drawing (SVG)"),
      item("csv", "Spans (CSV)"),
    ),
  );
  return menu;
}

function wireSwatch(wire: string): HTMLElement {
  const canvas = el("canvas", { class: "swatch", width: "22", height: "22", "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = KIND_COLOURS.collective;
    context.fillRect(0, 0, 22, 22);
    context.scale(2, 2);
    context.fillStyle = context.createPattern(drawPattern(wirePattern(wire)), "repeat") ?? "transparent";
    context.fillRect(0, 0, 11, 11);
  }
  return canvas;
}
