/** The field that finds spans: how many fit, how long they took, and the way through them. */

import { formatCount, formatTime } from "../../trace/format";
import { parseQuery, SEARCH_KEYS, type Query } from "../../trace/search";
import { el } from "../dom";
import type { Hits } from "../../trace/hits";

export interface SearchActions {
  readonly search: (query: Query, text: string) => void;
  readonly next: (direction: -1 | 1) => void;
}

/** Milliseconds after the last key before a search begins. */
const PAUSE = 120;

export class SearchBox {
  readonly element: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #count = el("output", { class: "hits figure", role: "status" });
  readonly #buttons: readonly HTMLButtonElement[];
  #typed: number | undefined;

  constructor(readonly actions: SearchActions) {
    this.#input = el("input", {
      type: "search",
      placeholder: "Find spans ( / )",
      "aria-label": "Find spans",
      title: `Words of an op's name, and ${SEARCH_KEYS.join(":, ")}: like layer:3 dur:>20us -rank:0`,
      autocomplete: "off",
      spellcheck: "false",
    });
    const step = (direction: -1 | 1, text: string, label: string): HTMLButtonElement =>
      el(
        "button",
        {
          type: "button",
          class: "icon",
          disabled: true,
          "aria-label": label,
          title: label,
          onclick: () => actions.next(direction),
        },
        text,
      );
    this.#buttons = [step(-1, "‹", "Previous hit"), step(1, "›", "Next hit")];
    this.element = el("div", { class: "search", role: "search" }, this.#input, this.#count, ...this.#buttons);
    this.#input.addEventListener("input", () => {
      clearTimeout(this.#typed);
      this.#typed = window.setTimeout(() => this.#search(), PAUSE);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        clearTimeout(this.#typed);
        this.#search();
        actions.next(event.shiftKey ? -1 : 1);
        event.preventDefault();
      } else if (event.key === "Escape") {
        this.text = "";
        this.#search();
        this.#input.blur();
      }
    });
  }

  get text(): string {
    return this.#input.value;
  }

  set text(text: string) {
    this.#input.value = text;
  }

  focus(): void {
    this.#input.focus();
    this.#input.select();
  }

  /** Says what was found; `ordinal` is the number of the selected hit, 0 if none is. */
  show(query: Query, hits: Hits | null, ordinal: number): void {
    for (const button of this.#buttons) button.disabled = !hits || hits.count === 0;
    this.#input.setAttribute("aria-invalid", String(query.kind === "problem"));
    this.#count.classList.toggle("problem", query.kind === "problem");
    this.#count.textContent =
      query.kind === "problem"
        ? query.problem
        : !hits
          ? ""
          : hits.count === 0
            ? "no span"
            : `${ordinal > 0 ? `${ordinal} of ` : ""}${formatCount(hits.count)} · ${formatTime(hits.ns)}`;
  }

  #search(): void {
    this.actions.search(parseQuery(this.#input.value), this.#input.value.trim());
  }
}
