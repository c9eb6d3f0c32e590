/** `/compare?a=<id>&b=<id>`: two runs on one time scale, and what changed from A to B. */

import { excludesZero } from "../trace/bootstrap";
import type { Compared, ComparedCollective, ComparedKind, ComparedOp, RunComparison } from "../trace/compare";
import { formatBytes, formatCount, formatSpeed, formatTime } from "../trace/format";
import { KIND_LABELS } from "../trace/kinds";
import { KIND_COLOURS } from "../trace/palette";
import { isConsistent, type PairedOp } from "../trace/pairing";
import type { RunInfo } from "../trace/run";
import { isDifferent } from "../trace/verdict";
import { fetchComparison, fetchRuns } from "./api";
import { byId, el, figure, swatch } from "./dom";
import { fail, runOfPage, startPage } from "./page";
import { titleOf } from "./run-facts";
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
      runLink(a, "A"),
      el("span", { class: "muted" }, "and"),
      runLink(b, "B"),
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
    numbers.replaceChildren(
      el("p", { class: "verdict" }, comparison.verdict),
      pairRow(statsOf(comparison)),
      ...bars(comparison),
    );
    tables.replaceChildren(...tablesOf(comparison));
  };
  await pane.load(() => void showTables().catch((error: unknown) => fail(numbers, error)));
});

function chooser(runs: readonly RunInfo[], a: string | null, b: string | null): HTMLElement {
  const choice = (name: string, chosen: string | null, fallback: number): HTMLElement =>
    el(
      "label",
      {},
      el("span", { class: "letter" }, name.toUpperCase()),
      el(
        "select",
        { name },
        ...runs.map((run, k) =>
          el("option", { value: run.id, selected: chosen === null ? k === fallback : run.id === chosen }, titleOf(run)),
        ),
      ),
    );
  const go = el("button", { type: "button", class: "primary" }, "Compare");
  const host = el(
    "section",
    { class: "state" },
    el("h2", {}, "Which two runs?"),
    choice("a", a, 1),
    choice("b", b, 0),
    el("p", {}, go),
  );
  go.addEventListener("click", () => {
    const [first, second] = [...host.querySelectorAll("select")].map(({ value }) => encodeURIComponent(value));
    location.assign(`/compare?a=${first}&b=${second}`);
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

function runLink(run: RunInfo, letter: string): HTMLElement {
  return el(
    "h1",
    {},
    el("span", { class: "letter" }, letter),
    el("a", { href: `/runs/${encodeURIComponent(run.id)}` }, titleOf(run)),
  );
}

function swap(a: string, b: string): HTMLElement {
  return el(
    "a",
    { class: "button quiet", href: `/compare?a=${encodeURIComponent(b)}&b=${encodeURIComponent(a)}` },
    "Swap",
  );
}

function statsOf({ step, phases, exposed, wireBytes }: RunComparison): PairStat[] {
  return [
    ...phases.map((phase): PairStat => {
      const { a, b } = phase.tokensPerSecond;
      const steps = phase.paired?.pairs ?? 0;
      const title = `Tokens over the time of steps; ${steps} ${steps === 1 ? "step" : "steps"} in common`;
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
    { label: "step time", title: "Mean over ranks", a: step.a, b: step.b, format: formatTime, better: "lower" },
    {
      label: "exposed AllReduce",
      title: "Mean over ranks of the AllReduce time that no compute hides",
      a: exposed.a,
      b: exposed.b,
      format: formatTime,
      better: "lower",
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
        { class: "rank-bars" },
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
  return [
    el("h2", {}, "By kind of op"),
    table(
      kinds.filter(({ a, b }) => a > 0 || b > 0),
      {
        caption: "Mean time of a rank by kind of op in both runs",
        columns: [{ label: "kind", cell: kindName }, ...pairColumns<ComparedKind>("", (row) => row, formatTime)],
      },
    ),
    ...(collectives.length > 0
      ? [
          el("h2", {}, "Collectives"),
          table(collectives, { caption: "Collectives of both runs", columns: collectiveColumns() }),
          el("h2", {}, "What the wire gains and what it costs"),
          ledgerTable(ledger),
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
  sure: (row: Row) => boolean = () => true,
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

/** Whether the pairs of calls say what the totals say. */
function agrees({ paired, total }: ComparedOp): boolean {
  return paired !== null && isConsistent(paired) && paired.fasterShare > 0.5 === total.difference < 0;
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
    ...pairColumns<ComparedOp>("time", ({ total }) => total, formatTime, agrees),
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

function ledgerTable(ledger: RunComparison["ledger"]): HTMLElement {
  const rows: readonly (readonly [string, string, Compared])[] = [
    ["waiting for the last rank", "From each collective's first arrival to its last", ledger.waiting],
    ["moving bytes", "Transfer less the codec", ledger.moving],
    ["quantising", "Turning values into what the wire carries, a rank", ledger.quantise],
    ["dequantising and adding up", "A rank", ledger.dequantise],
    ["in all", "From first arrival to end", ledger.total],
  ];
  return table(rows, {
    caption: "Where the collectives' time goes in both runs",
    columns: [
      { label: "part", cell: ([name, title]) => el("span", { title }, name) },
      ...pairColumns<(typeof rows)[number]>("", ([, , part]) => part, formatTime),
    ],
  });
}

function signed(value: number, format: (value: number) => string): string {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${format(Math.abs(value))}`;
}
