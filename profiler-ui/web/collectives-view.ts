/** The tab of collectives: each one across its ranks, who keeps the others waiting, whether the clocks can be believed. */

import type { RankAlignment } from "../trace/alignment";
import {
  COLLECTIVE_CLASSES,
  type CollectiveClass,
  type CollectivePage,
  type CollectiveQuery,
  type CollectiveRow,
  type CollectiveSort,
  type Straggler,
} from "../trace/collective-table";
import { formatBytes, formatCount, formatNumber, formatRate, formatShare, formatTime } from "../trace/format";
import { fetchCollectives } from "./api";
import { el, figure } from "./dom";
import { fail } from "./page";
import { named } from "./summary-view";
import { table, type Column } from "./table";

/** Rows at a time. */
const ROWS = 50;

const ALL_BY_TIME: CollectiveQuery = { sort: "startNs", descending: false, offset: 0, limit: ROWS };

const CLASS_MEANING: Readonly<Record<CollectiveClass, string>> = {
  transfer: "two thirds or more of its time is transfer",
  skew: "two thirds or more of its time is waiting for the last rank",
  mixed: "between the two",
  inconclusive: "the skew is smaller than the error of the clocks",
};

export interface CollectivesActions {
  /** Show this collective in the timeline. */
  readonly show: (group: number, seq: number) => void;
  /** Draw the timeline with corrected clocks, or as recorded. */
  readonly align: (alignment: readonly RankAlignment[] | null) => void;
}

export class CollectivesView {
  readonly #stragglers = el("div");
  readonly #clocks = el("div");
  readonly #rows = el("div");
  readonly #filters: Filters;
  readonly #status = el("p", { class: "muted", role: "status" });
  /** Start of the run's first span. */
  #origin = 0;
  #alignment: readonly RankAlignment[] = [];
  #query: CollectiveQuery = ALL_BY_TIME;

  constructor(
    readonly id: string,
    readonly host: HTMLElement,
    readonly actions: CollectivesActions,
  ) {
    this.#filters = filtersOf((change) => void this.#load({ ...change, offset: 0 }));
  }

  async open(): Promise<void> {
    this.host.replaceChildren(el("p", { class: "muted" }, "Matching collectives across ranks…"));
    await this.#show();
  }

  /** Shows the collectives that came while the run grew; what was chosen, sorted and reached by Tab stays. */
  async renew(): Promise<void> {
    await this.#show();
    if (this.#query.corrected) this.actions.align(this.#alignment);
  }

  async #show(): Promise<void> {
    const query = this.#query;
    try {
      const page = await fetchCollectives(this.id, query);
      // Meanwhile others may have been asked for.
      if (query !== this.#query) return;
      const isNone = page.rows.length === 0 && !query.name && !query.class;
      if (isNone) {
        this.host.replaceChildren(
          el(
            "p",
            { class: "state muted" },
            page.incomplete > 0
              ? `No collective was seen by two ranks; ${page.incomplete} were seen by one alone.`
              : "This run has no collectives: its ranks never waited for each other.",
          ),
        );
        return;
      }
      if (!this.#rows.isConnected) {
        this.host.replaceChildren(
          el("h2", {}, "Who waits for whom"),
          this.#stragglers,
          el("h2", {}, "Clocks"),
          this.#clocks,
          el("div", { class: "heading" }, el("h2", {}, "Every collective"), this.#filters.element, this.#status),
          this.#rows,
        );
      }
      this.#origin = page.originNs;
      this.#alignment = page.clock.alignment;
      this.#filters.offer(page, query);
      keepingFocus(this.host, () => {
        this.#stragglers.replaceChildren(...stragglerSentence(page.stragglers), stragglerTable(page.stragglers));
        this.#clocks.replaceChildren(this.#clockPanel(page));
        this.#fill(page);
      });
    } catch (error) {
      fail(this.host, error);
    }
  }

  async #load(change: Partial<CollectiveQuery>): Promise<void> {
    const query = (this.#query = { ...this.#query, ...change });
    try {
      const page = await fetchCollectives(this.id, query);
      if (query === this.#query) keepingFocus(this.host, () => this.#fill(page));
    } catch (error) {
      fail(this.#rows, error);
    }
  }

  #fill({ rows, total, incomplete }: CollectivePage): void {
    const { offset } = this.#query;
    this.#status.textContent =
      `${formatCount(total)} matched by group and ordinal` +
      (incomplete > 0 ? `, ${formatCount(incomplete)} not seen by all ranks` : "");
    const step = (text: string, to: number): HTMLElement =>
      el(
        "button",
        {
          type: "button",
          disabled: to < 0 || to >= total || to === offset,
          onclick: () => void this.#load({ offset: to }),
        },
        text,
      );
    this.#rows.replaceChildren(
      rows.length === 0
        ? el("p", { class: "state muted" }, "None is of this kind.")
        : table(rows, { caption: "Every collective", columns: this.#columns(), sorted: this.#sorting() }),
      el(
        "p",
        { class: "pager" },
        step("Earlier", offset === 0 ? -1 : Math.max(0, offset - ROWS)),
        el("span", { class: "muted" }, total === 0 ? "" : `${offset + 1} to ${offset + rows.length} of ${total}`),
        step("Later", offset + ROWS),
      ),
    );
  }

  /** Sorting is the server's: the table holds a part only. */
  #sorting(): { readonly label: string; readonly descending: boolean; readonly by: (label: string) => void } {
    const label = Object.entries(SORTED_BY).find(([, sort]) => sort === this.#query.sort)?.[0] ?? "";
    return {
      label,
      descending: this.#query.descending,
      by: (chosen) => {
        const sort = SORTED_BY[chosen] ?? "startNs";
        const descending = this.#query.sort === sort ? !this.#query.descending : sort !== "startNs";
        void this.#load({ sort, descending, offset: 0 });
      },
    };
  }

  #columns(): Column<CollectiveRow>[] {
    return [
      {
        label: "collective",
        cell: (row) =>
          el(
            "button",
            {
              type: "button",
              class: "link",
              title: "Show it in the timeline, on every rank",
              onclick: () => this.actions.show(row.group, row.seq),
            },
            named(row.name, "collective"),
          ),
      },
      { label: "number", cell: ({ group, seq }) => figure(`${group}/${seq}`) },
      {
        label: "when",
        text: true,
        cell: ({ phase, step, layer }) => `${phase} ${step}${layer < 0 ? "" : `, layer ${layer}`}`,
      },
      {
        label: "at",
        title: "First arrival, counted from the run's first span as the timeline counts",
        cell: ({ startNs }) => figure(formatTime(startNs - this.#origin)),
        by: ({ startNs }) => startNs,
      },
      {
        label: "wire",
        text: true,
        cell: ({ wireType, algorithm }) => [wireType, algorithm].filter(Boolean).join(", "),
      },
      {
        label: "sent",
        title: "By all ranks together",
        cell: ({ wireBytes }) => figure(formatBytes(wireBytes)),
        by: ({ wireBytes }) => wireBytes,
      },
      {
        label: "transfer",
        title: "From the last rank's arrival to the end",
        cell: ({ transferNs }) => figure(formatTime(transferNs)),
        by: ({ transferNs }) => transferNs,
      },
      {
        label: "skew",
        title: "From the first rank's arrival to the last's",
        cell: ({ skewNs }) => figure(formatTime(skewNs)),
        by: ({ skewNs }) => skewNs,
      },
      {
        label: "class",
        text: true,
        cell: (row) => el("span", { class: `badge ${row.class}`, title: CLASS_MEANING[row.class] }, row.class),
      },
      {
        label: "algbw",
        title: "Message size over transfer time",
        cell: ({ algbw }) => (algbw > 0 ? figure(formatRate(algbw, "B/s")) : "–"),
        by: ({ algbw }) => algbw,
      },
      {
        label: "busbw",
        title: "algbw × 2(n−1)/n: comparable to what a link is rated at",
        cell: ({ busbw }) => (busbw > 0 ? figure(formatRate(busbw, "B/s")) : "–"),
        by: ({ busbw }) => busbw,
      },
      {
        label: "waited, by rank",
        title: "How long each rank waited for the last one",
        cell: ({ waits, lastRank }) =>
          waits.length > MOST_WAITS
            ? waitsInShort(waits, lastRank)
            : el(
                "span",
                { class: "waits" },
                ...waits.map(({ rank, waitNs }) =>
                  el(
                    "span",
                    { class: rank === lastRank ? "late" : "", title: `rank ${rank}` },
                    rank === lastRank ? "last" : formatTime(waitNs),
                  ),
                ),
              ),
      },
    ];
  }

  #clockPanel({ clock }: CollectivePage): HTMLElement {
    const { clocks, alignment, violations, errorNs } = clock;
    const correctable = alignment.some(({ correct }) => correct);
    const { corrected = false } = this.#query;
    const toggle = el("input", { type: "checkbox", id: "align", disabled: !correctable, checked: corrected });
    toggle.addEventListener("change", () => {
      this.actions.align(toggle.checked ? alignment : null);
      this.#query = { ...ALL_BY_TIME, corrected: toggle.checked };
      void this.#show();
    });
    const columns: Column<RankAlignment>[] = [
      { label: "rank", cell: ({ rank }) => String(rank) },
      { label: "method", text: true, cell: ({ rank }) => clocks.find((one) => one.rank === rank)?.method ?? "–" },
      { label: "offset", cell: ({ rank }) => clockFigure(clocks.find((one) => one.rank === rank)?.offsetNs) },
      {
        label: "slope",
        cell: ({ rank }) => figure(formatPpm(clocks.find((one) => one.rank === rank)?.slope)),
        title: "Distance of the clock's rate from the run's, in millionths",
      },
      { label: "error", cell: ({ rank }) => clockFigure(clocks.find((one) => one.rank === rank)?.errorNs) },
      {
        label: "ends late by",
        title: "Median distance of its collectives' ends from the median end of all ranks",
        cell: ({ residualNs }) => clockFigure(residualNs),
      },
      { label: "spread", title: "Median absolute deviation", cell: ({ spreadNs }) => clockFigure(spreadNs) },
      { label: "drift", cell: ({ driftPerNs }) => figure(formatPpm(1 + driftPerNs)) },
      {
        label: "verdict",
        text: true,
        cell: ({ rank, correct }) =>
          correct
            ? "off: can be corrected"
            : clocks.find((one) => one.rank === rank)?.method === "host"
              ? "the run's own clock"
              : "agrees within its spread",
      },
    ];
    return el(
      "div",
      {},
      ...(violations > 0
        ? [
            el(
              "p",
              { class: "banner", role: "alert" },
              `${formatCount(violations)} collectives ended on one rank before they had begun on another: the clocks disagree by more than their error. Skew and waits are not to be believed before correction.`,
            ),
          ]
        : []),
      table(alignment, { caption: "Clocks of the ranks", columns, capped: true }),
      el(
        "p",
        { class: "muted clock-note" },
        errorNs === 0
          ? "All ranks stamp with one clock of this host: no error between them is known. "
          : `A skew below ${formatTime(errorNs)} is called inconclusive. `,
        violations === 0 ? "No rank ended a collective before the last had begun. " : "",
        el("label", { for: "align" }, toggle, " Show clocks corrected by collective ends, here and in the timeline"),
      ),
    );
  }
}

interface Filters {
  readonly element: HTMLElement;
  /** Offers the ops and classes of a run as it is now, and shows which of them are asked for. */
  readonly offer: (page: CollectivePage, query: CollectiveQuery) => void;
}

function filtersOf(change: (change: Pick<Partial<CollectiveQuery>, "name" | "class">) => void): Filters {
  const ops = el("select", { "aria-label": "Op" });
  const classes = el("select", { "aria-label": "Class" });
  ops.addEventListener("change", () => change({ name: ops.value }));
  classes.addEventListener("change", () => change({ class: classes.value }));
  const fill = (select: HTMLSelectElement, texts: ReadonlyMap<string, string>, chosen = ""): void => {
    [...texts].forEach(([value, text], k) => {
      // Those that stay are left alone: a list that is open stays open.
      const option = select.options[k] ?? select.appendChild(el("option"));
      option.value = value;
      if (option.textContent !== text) option.textContent = text;
    });
    select.value = chosen;
  };
  return {
    element: el("span", { class: "filters" }, ops, classes),
    offer: ({ names, classes: counts }, query) => {
      fill(ops, new Map([["", "all ops"], ...names.map((name) => [name, name] as const)]), query.name);
      const counted = COLLECTIVE_CLASSES.map((name) => [name, `${name} (${formatCount(counts[name])})`] as const);
      fill(classes, new Map([["", "all classes"], ...counted]), query.class);
    },
  };
}

/** Puts other elements in the place of those in `host`; the focus goes to the one that says what the focused one said. */
function keepingFocus(host: HTMLElement, replace: () => void): void {
  const focused = document.activeElement;
  const alike = (): HTMLElement[] =>
    [...host.querySelectorAll<HTMLElement>("button, input, [tabindex]")].filter(
      ({ tagName, id, textContent }) =>
        tagName === focused?.tagName && id === focused.id && textContent === focused.textContent,
    );
  const place = alike().findIndex((element) => element === focused);
  replace();
  if (place >= 0) alike()[place]?.focus({ preventScroll: true });
}

/** Ranks whose waits have room side by side. */
const MOST_WAITS = 3;

/** "rank 37 last, 4 waited 12.93 µs": of more ranks the latest and the earliest, with all of them on hover. */
function waitsInShort(waits: CollectiveRow["waits"], lastRank: number): HTMLElement {
  const [first] = [...waits].sort((a, b) => b.waitNs - a.waitNs);
  const all = waits.map(({ rank, waitNs }) => `rank ${rank}: ${rank === lastRank ? "last" : formatTime(waitNs)}`);
  return el(
    "span",
    { class: "waits", title: all.join("\n") },
    el("span", { class: "late" }, `rank ${lastRank} last`),
    ...(first ? [`${first.rank} waited ${formatTime(first.waitNs)}`] : []),
  );
}

const SORTED_BY: Readonly<Record<string, CollectiveSort>> = {
  at: "startNs",
  sent: "wireBytes",
  transfer: "transferNs",
  skew: "skewNs",
  algbw: "algbw",
  busbw: "busbw",
};

function clockFigure(ns: number | undefined): HTMLElement {
  if (ns === undefined) return figure("–");
  return figure(`${ns < 0 ? "−" : ""}${formatTime(Math.abs(Math.round(ns)))}`);
}

function formatPpm(slope: number | undefined): string {
  if (slope === undefined) return "–";
  const ppm = (slope - 1) * 1e6;
  return `${formatNumber(Math.abs(ppm) < 0.005 ? 0 : ppm)} ppm`.replace("-", "−");
}

/** The rank that the others waited for longest, if they waited at all. */
function stragglerSentence(stragglers: readonly Straggler[]): Node[] {
  const [worst] = [...stragglers].sort((a, b) => b.causedNs - a.causedNs);
  if (!worst || worst.causedNs === 0) return [];
  const { rank, causedNs, lastShare } = worst;
  const others = stragglers.length > 2 ? "the other ranks together" : "the other rank";
  return [
    el(
      "p",
      {},
      `Rank ${rank} made ${others} wait ${formatTime(causedNs)}; it came last to ${formatShare(lastShare)} of its collectives.`,
    ),
  ];
}

function stragglerTable(stragglers: readonly Straggler[]): HTMLElement {
  const columns: Column<Straggler>[] = [
    { label: "rank", cell: ({ rank }) => String(rank), by: ({ rank }) => rank },
    {
      label: "came last",
      title: "Share of its collectives to which it came last",
      cell: ({ lastShare }) => figure(formatShare(lastShare)),
      by: ({ lastShare }) => lastShare,
    },
    {
      label: "made others wait",
      title: "All other ranks together",
      cell: ({ causedNs }) => figure(formatTime(causedNs)),
      by: ({ causedNs }) => causedNs,
    },
    {
      label: "waited itself",
      cell: ({ waitNs }) => figure(formatTime(waitNs)),
      by: ({ waitNs }) => waitNs,
    },
    {
      label: "waited, mean",
      cell: ({ meanWaitNs }) => figure(formatTime(meanWaitNs)),
      by: ({ meanWaitNs }) => meanWaitNs,
    },
  ];
  return table(stragglers, { caption: "Stragglers", columns, capped: true });
}
