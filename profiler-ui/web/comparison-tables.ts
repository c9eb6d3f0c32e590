/** A comparison's tables: by kind of op, collectives, what the wire gains and costs, by op. */

import { excludesZero } from "../trace/bootstrap";
import type { Compared, ComparedCollective, ComparedKind, ComparedOp, RunComparison } from "../trace/compare";
import { formatBytes, formatCount, formatTime } from "../trace/format";
import { KIND_LABELS } from "../trace/kinds";
import { KIND_COLOURS } from "../trace/palette";
import { agrees, type PairedOp } from "../trace/pairing";
import { el, figure, swatch } from "./dom";
import { changeMark } from "./stats";
import { named } from "./summary-view";
import { table, type Column } from "./table";

/** What changed by kind of op, on the wire and by op. */
export function comparisonTables({ kinds, ops, collectives, ledger }: RunComparison): Node[] {
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
