/** Tabs of a page: the first is made at once, each other when first seen; the address names the one that is. */

import { el } from "./dom";

export interface Tab {
  /** What the address calls it. */
  readonly name: string;
  readonly label: string;
  /** Fills the panel, once. */
  readonly open: (panel: HTMLElement) => void;
  /** Brings an open panel to what is known now. */
  readonly renew?: () => void;
}

export class Tabs {
  readonly element: HTMLElement;
  readonly #buttons: readonly HTMLButtonElement[];
  readonly #panels: readonly HTMLElement[];
  readonly #opened = new Set<string>();
  /** Open, but not of what is known now. */
  readonly #stale = new Set<Tab>();

  constructor(readonly tabs: readonly [Tab, ...Tab[]]) {
    this.#panels = tabs.map(({ name }) =>
      el("section", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, hidden: true }),
    );
    this.#buttons = tabs.map(({ name, label }, k) =>
      el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${name}`,
          "aria-controls": `panel-${name}`,
          onclick: () => this.show(name),
          onkeydown: (event) => this.#move(event, k),
        },
        label,
      ),
    );
    this.element = el(
      "div",
      { class: "tabs" },
      el("div", { role: "tablist", "aria-label": "Views of the run" }, ...this.#buttons),
      ...this.#panels,
    );
  }

  /** Shows the tab that the address names, or the first. */
  start(): void {
    const named = new URLSearchParams(location.search).get("tab");
    this.#open(0);
    this.show(this.tabs.find(({ name }) => name === named)?.name ?? this.tabs[0].name);
  }

  show(name: string): void {
    this.tabs.forEach((tab, k) => {
      const isShown = tab.name === name;
      this.#buttons[k]?.setAttribute("aria-selected", String(isShown));
      this.#buttons[k]?.setAttribute("tabindex", isShown ? "0" : "-1");
      const panel = this.#panels[k];
      if (!panel) return;
      panel.hidden = !isShown;
      if (isShown) this.#open(k);
      if (isShown && this.#stale.delete(tab)) tab.renew?.();
    });
    const url = new URL(location.href);
    if (name === this.tabs[0].name) url.searchParams.delete("tab");
    else url.searchParams.set("tab", name);
    if (url.href !== location.href) history.replaceState(null, "", url);
  }

  /** Something else is known: the panel that is seen is renewed, the others when they are seen next. */
  renew(): void {
    this.tabs.forEach((tab, k) => {
      if (!this.#opened.has(tab.name)) return;
      if (this.#panels[k]?.hidden) this.#stale.add(tab);
      else tab.renew?.();
    });
  }

  #open(k: number): void {
    const tab = this.tabs[k];
    const panel = this.#panels[k];
    if (!tab || !panel || this.#opened.has(tab.name)) return;
    this.#opened.add(tab.name);
    tab.open(panel);
  }

  /** Arrow keys go from tab to tab, as in every tab list. */
  #move(event: Event, from: number): void {
    const key = event instanceof KeyboardEvent ? event.key : "";
    const step = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    const next = (from + step + this.tabs.length) % this.tabs.length;
    this.show(this.tabs[next]?.name ?? "");
    this.#buttons[next]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
