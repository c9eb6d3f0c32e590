/** `/compare?a=<id>&b=<id>`: two runs on one time scale, and what changed from A to B. */

import { excludesZero } from "../trace/bootstrap";
import type { Compared, ComparedCollective, ComparedKind, ComparedOp, RunComparison } from "../trace/compare";
import { formatBytes, formatCount, formatSpeed, formatTime } from "../trace/format";
import { KIND_LABELS } from "../trace/kinds";
import { KIND_COLOURS } from "../trace/palette";
import { agrees, type PairedOp } from "../trace/pairing";
import type { RunListing } from "../trace/listing";
import type { RunInfo } from "../trace/run";
import { isBorneOut, isDifferent } from "../trace/verdict";
import { fetchComparison, fetchRuns } from "./api";
import { byId, el, figure, swatch } from "./dom";
import { fail, runOfPage, startPage } from "./page";
import { dateOf, titleOf, wiresOf } from "./run-facts";
import { changeMark, pairRow, type PairStat } from "./stats";
import { bar, barLegend, kindsOf, named } from "./summary-view";
import { table, type Column } from "./table";
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
  const numbers = el("div", {}, el("p", { class: "muted" }, "Comparing…"));
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
    numbers,
    el("h2", {}, "Timelines on one scale"),
    pane.element,
    tables,
  );
  const showTables = async (): Promise<void> => {
    const comparison = await fetchComparison(idA, idB);
    numbers.replaceChildren(verdictText(comparison.verdict), pairRow(statsOf(comparison)), ...bars(comparison));
    tables.replaceChildren(...tablesOf(comparison));
  };
  await pane.load(() => void showTables().catch((error: unknown) => fail(numbers, error)));
});

/** The speed, which comes first, stands out from what explains it. */
function verdictText(verdict: string): HTMLElement {
  const end = verdict.indexOf(". ") + 1 || verdict.length;
  return el("p", { class: "verdict" }, el("strong", {}, verdict.slice(0, end)), verdict.slice(end));
}

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

function statsOf(comparison: RunComparison): PairStat[] {
  const { step, phases, exposed, wireBytes, collectives } = comparison;
  return [
    ...phases.map((phase): PairStat => {
      const { a, b } = phase.tokensPerSecond;
      const steps = phase.paired?.pairs ?? 0;
      const title = `Tokens over the time of the first rank's steps; ${steps} ${steps === 1 ? "step" : "steps"} in common`;
      return {
        label: `${phase.phase} steps`,
        title,
        a,
        b,
        format: formatSpeed,
        better: "higher",
        sure: isDifferent(phase),
      };
    }),
    {
      label: "step time",
      title: "Mean over ranks",
      a: step.a,
      b: step.b,
      format: formatTime,
      better: "lower",
      sure: phases.some(isDifferent),
    },
    {
      label: "exposed AllReduce",
      title: "Mean over ranks of the AllReduce time that no compute hides",
      a: exposed.a,
      b: exposed.b,
      format: formatTime,
      better: "lower",
      sure: isBorneOut(exposed, collectives),
    },
    {
      label: "on the wire",
      title: "Sent by all ranks together",
      a: wireBytes.a,
      b: wireBytes.b,
      format: formatBytes,
      better: "lower",
    },
  ];
}

/** Both runs' ranks as bars of one scale. */
function bars({ summaries }: RunComparison): Node[] {
  const runs = [summaries.a, summaries.b];
  const longest = Math.max(1, ...runs.flatMap(({ ranks }) => ranks.map(({ stepNs }) => stepNs)));
  return [
    el("div", { class: "heading" }, el("h2", {}, "Time by rank"), barLegend(kindsOf(runs))),
    ...runs.map(({ ranks }, k) =>
      el(
        "div",
        { class: "rank-bars capped", tabindex: "0", role: "region", "aria-label": `Ranks of ${k === 0 ? "A" : "B"}` },
        el("span", { class: "letter" }, k === 0 ? "A" : "B"),
        el(
          "div",
          {},
          ...ranks.map((rank) =>
            el(
              "div",
              { class: "rank-bar" },
              el("span", { class: "muted" }, `rank ${rank.rank}`),
              bar(rank, longest),
              figure(formatTime(rank.stepNs)),
            ),
          ),
        ),
      ),
    ),
  ];
}

function tablesOf({ kinds, ops, collectives, ledger }: RunComparison): Node[] {
  const kindAgrees = (row: ComparedKind): boolean =>
    ops.some(({ kind, nested, paired }) => kind === row.kind && !nested && agrees(paired, row.difference));
  return [
    el("h2", {}, "By kind of op"),
    table(
      kinds.filter(({ a, b }) => a > 0 || b > 0),
      {
        caption: "Mean time of a rank by kind of op in both runs",
        columns: [
          { label: "kind", cell: kindName },
          ...pairColumns<ComparedKind>("", (row) => row, formatTime, kindAgrees),
        ],
      },
    ),
    ...(collectives.length > 0
      ? [
          el("h2", {}, "Collectives"),
          table(collectives, { caption: "Collectives of both runs", columns: collectiveColumns() }),
          el("h2", {}, "What the wire gains and what it costs"),
          ledgerTable(ledger, collectives, ops),
        ]
      : []),
    el("h2", {}, "By op"),
    table(ops, {
      caption: "Mean time of a rank by op in both runs",
      columns: opColumns(),
      rowClass: ({ nested }) => (nested ? "nested" : ""),
    }),
  ];
}

function kindName({ kind }: ComparedKind): HTMLElement {
  return kind === "idle"
    ? el("span", { class: "named" }, el("span", { class: "swatch idle" }), "idle")
    : el("span", { class: "named" }, swatch(KIND_COLOURS[kind]), KIND_LABELS[kind]);
}

/** A, B, difference and change of one quantity. */
function pairColumns<Row>(
  prefix: string,
  pick: (row: Row) => Compared,
  format: (value: number) => string,
  sure: (row: Row) => boolean,
): Column<Row>[] {
  const label = (text: string): string => (prefix === "" ? text : `${prefix} ${text}`);
  return [
    { label: label("A"), cell: (row) => figure(format(pick(row).a)), by: (row) => pick(row).a },
    { label: label("B"), cell: (row) => figure(format(pick(row).b)), by: (row) => pick(row).b },
    {
      label: "difference",
      cell: (row) => figure(signed(pick(row).difference, format)),
      by: (row) => pick(row).difference,
    },
    {
      label: "change",
      cell: (row) => changeMark(pick(row).a, pick(row).b, "lower", sure(row)),
      by: (row) => pick(row).ratio ?? Infinity,
    },
  ];
}

function opColumns(): Column<ComparedOp>[] {
  return [
    {
      label: "op",
      cell: ({ name, kind, onlyIn }) =>
        el(
          "span",
          {},
          named(name, kind),
          ...(onlyIn ? [el("span", { class: "badge" }, `only ${onlyIn.toUpperCase()}`)] : []),
        ),
      by: ({ name }) => name,
    },
    { label: "spans A", cell: ({ count }) => figure(formatCount(count.a)), by: ({ count }) => count.a },
    { label: "spans B", cell: ({ count }) => figure(formatCount(count.b)), by: ({ count }) => count.b },
    ...pairColumns<ComparedOp>(
      "time",
      ({ total }) => total,
      formatTime,
      ({ paired, total }) => agrees(paired, total.difference),
    ),
    pairedColumn("a call", ({ paired }) => paired),
    {
      label: "pairs",
      title: "Calls at the same rank, step, layer and ordinal in both runs",
      cell: ({ paired }) => (paired ? figure(formatCount(paired.pairs)) : ""),
      by: ({ paired }) => paired?.pairs ?? 0,
    },
  ];
}

function collectiveColumns(): Column<ComparedCollective>[] {
  const both = (pair: { readonly a: number; readonly b: number }, format: (value: number) => string): HTMLElement =>
    el("span", {}, figure(format(pair.a)), " → ", figure(format(pair.b)));
  return [
    { label: "collective", cell: ({ name }) => named(name, "collective") },
    {
      label: "wire",
      text: true,
      title: "Type on the wire and algorithm",
      cell: ({ a, b }) =>
        [change(a?.wireType ?? "–", b?.wireType ?? "–"), change(a?.algorithm ?? "–", b?.algorithm ?? "–")].join(", "),
    },
    { label: "sent", title: "By all ranks together", cell: ({ wireBytes }) => both(wireBytes, formatBytes) },
    {
      label: "transfer",
      title: "Mean, from the last rank's arrival to the end",
      cell: ({ transfer }) => both(transfer, formatTime),
    },
    pairedColumn("transfer, a call", ({ paired }) => paired.transfer, "stacked"),
    {
      label: "skew",
      title: "Mean, from the first rank's arrival to the last's",
      cell: ({ skew }) => both(skew, formatTime),
    },
    pairedColumn("skew, a call", ({ paired }) => paired.skew, "stacked"),
  ];
}

/** One text where both runs say the same. */
function change(a: string, b: string): string {
  return a === b ? a : `${a} → ${b}`;
}

/** Mean difference of pairs with its interval beside or under it; grey where chance may have made it. */
function pairedColumn<Row>(
  label: string,
  pick: (row: Row) => PairedOp | null,
  form: "stacked" | "beside" = "beside",
): Column<Row> {
  return {
    label,
    title:
      "Mean difference of the same call in both runs, and where it lies with 95 % confidence (bootstrap over whole requests, or steps where requests are few); grey where it may be chance",
    cell: (row) => {
      const paired = pick(row);
      if (!paired) return "";
      const { meanDifferenceNs: mean, interval } = paired;
      const sure = excludesZero(interval);
      return el(
        "span",
        { class: `paired ${form} ${!sure ? "same" : mean < 0 ? "gain" : "loss"}` },
        figure(signed(mean, formatTime)),
        el(
          "span",
          { class: "interval" },
          interval ? ` ${signed(interval.low, formatTime)} … ${signed(interval.high, formatTime)}` : " too few pairs",
        ),
      );
    },
    by: (row) => pick(row)?.meanDifferenceNs ?? 0,
  };
}

function ledgerTable(
  ledger: RunComparison["ledger"],
  collectives: readonly ComparedCollective[],
  ops: readonly ComparedOp[],
): HTMLElement {
  const skews = collectives.map(({ paired }) => paired.skew);
  const transfers = collectives.map(({ paired }) => paired.transfer);
  const codec = (...names: string[]): (PairedOp | null)[] =>
    ops.filter(({ name }) => names.includes(name)).map(({ paired }) => paired);
  const rows: readonly (readonly [string, string, Compared, readonly (PairedOp | null)[]])[] = [
    ["waiting for the last rank", "From each collective's first arrival to its last", ledger.waiting, skews],
    ["moving bytes", "Transfer less the codec", ledger.moving, transfers],
    ["quantising", "Turning values into what the wire carries, a rank", ledger.quantise, codec("quantise")],
    ["dequantising and adding up", "A rank", ledger.dequantise, codec("dequantise", "reduce")],
    ["in all", "From first arrival to end", ledger.total, [...skews, ...transfers]],
  ];
  return table(rows, {
    caption: "Where the collectives' time goes in both runs",
    columns: [
      { label: "part", cell: ([name, title]) => el("span", { title }, name) },
      ...pairColumns<(typeof rows)[number]>(
        "",
        ([, , part]) => part,
        formatTime,
        ([, , part, pairs]) => pairs.some((paired) => agrees(paired, part.difference)),
      ),
    ],
  });
}

function signed(value: number, format: (value: number) => string): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${format(Math.abs(value))}`;
}
