/** `/compare?a=<id>&b=<id>`: two runs on one time scale, and what changed from A to B. */

import type { RunListing } from "../trace/listing";
import type { RunInfo } from "../trace/run";
import { fetchComparison, fetchRuns, fetchSummary } from "./api";
import { ComparisonFigures } from "./comparison-figures";
import { comparisonTables } from "./comparison-tables";
import { byId, el } from "./dom";
import { fail, runOfPage, startPage } from "./page";
import { dateOf, titleOf, wiresOf } from "./run-facts";
import { TimelinePane } from "./timeline/pane";

startPage(async () => {
  const query = new URLSearchParams(location.search);
  const idA = query.get("a");
  const idB = query.get("b");
  const main = byId("main");
  byId("crumbs").replaceChildren(
    el("a", { href: "/" }, "Runs"),
    el("span", { "aria-hidden": "true" }, "/"),
    el("span", {}, "Compare"),
  );
  main.removeAttribute("aria-busy");
  if (!idA || !idB) {
    const runs = await fetchRuns();
    main.replaceChildren(chooser(runs, idA, idB));
    return;
  }
  const [a, b] = await Promise.all([runOfPage(idA), runOfPage(idB)]);
  document.title = `${titleOf(a)} and ${titleOf(b)} · Stateline`;
  const pane = new TimelinePane([a, b]);
  const figures = new ComparisonFigures([a, b]);
  const tables = el("div");
  main.replaceChildren(
    el(
      "div",
      { class: "heading versus" },
      runLink(a, "A", b),
      el("span", { class: "muted" }, "and"),
      runLink(b, "B", a),
      el("span", { class: "grow" }),
      swap(idA, idB),
    ),
    figures.element,
    el("h2", {}, "Timelines on one scale"),
    pane.element,
    tables,
  );
  // Each run is added up while the next one is read; what takes longest comes last.
  const added: Promise<void>[] = [];
  const addUp = async (k: number, { id }: RunInfo): Promise<void> => figures.addedUp(k, await fetchSummary(id));
  const compare = async (): Promise<void> => {
    await Promise.all(added);
    const comparison = await fetchComparison(idA, idB);
    figures.show(comparison);
    tables.replaceChildren(...comparisonTables(comparison));
  };
  await pane.load((k) => {
    figures.drawn(k);
    const adding = addUp(k, k === 0 ? a : b);
    adding.catch(() => undefined); // said by the comparison, which waits for both
    added.push(adding);
    if (added.length === 2) void compare().catch((error: unknown) => fail(figures.element, error));
  });
});

/** The run to compare `run` with where nobody says: one of the same model and ranks, best with another wire. */
function partnerOf(run: RunListing | undefined, runs: readonly RunListing[]): RunListing | undefined {
  const likeness = (other: RunListing): number =>
    !run
      ? 0
      : 4 * Number(other.model.name === run.model.name) +
        2 * Number(other.tensorParallel === run.tensorParallel) +
        Number(wiresOf(other) !== wiresOf(run));
  return runs.filter(({ id }) => id !== run?.id).sort((x, y) => likeness(y) - likeness(x))[0];
}

function chooser(runs: readonly RunListing[], a: string | null, b: string | null): HTMLElement {
  const named = (id: string | null): RunListing | undefined => runs.find((run) => run.id === id);
  const second = named(b) ?? (named(a) ? partnerOf(named(a), runs) : runs[0]);
  const first = named(a) ?? partnerOf(second, runs);
  const choice = (name: string, chosen: RunListing | undefined): HTMLElement =>
    el(
      "label",
      {},
      el("span", { class: "letter" }, name.toUpperCase()),
      el(
        "select",
        { name },
        ...runs.map((run) =>
          el("option", { value: run.id, selected: run === chosen }, `${titleOf(run)} · ${dateOf(run)}`),
        ),
      ),
    );
  const go = el("button", { type: "button", class: "primary" }, "Compare");
  const host = el(
    "section",
    { class: "state" },
    el("h2", {}, "Which two runs?"),
    choice("a", first),
    choice("b", second),
    el("p", {}, go),
  );
  go.addEventListener("click", () => {
    const [idA, idB] = [...host.querySelectorAll("select")].map(({ value }) => encodeURIComponent(value));
    location.assign(`/compare?a=${idA}&b=${idB}`);
  });
  if (runs.length < 2)
    return el(
      "section",
      { class: "state" },
      el("h2", {}, "Two runs are needed"),
      el("p", {}, "Record another one, for example with --all-reduce int8."),
    );
  return host;
}

/** A run's name; runs that have the same are told apart by when they were recorded. */
function runLink(run: RunInfo, letter: string, other: RunInfo): HTMLElement {
  return el(
    "h1",
    {},
    el("span", { class: "letter" }, letter),
    el("a", { href: `/runs/${encodeURIComponent(run.id)}` }, titleOf(run)),
    ...(titleOf(run) === titleOf(other) ? [el("span", { class: "muted when" }, dateOf(run))] : []),
  );
}

function swap(a: string, b: string): HTMLElement {
  return el(
    "a",
    { class: "button quiet", href: `/compare?a=${encodeURIComponent(b)}&b=${encodeURIComponent(a)}` },
    "Swap",
  );
}
