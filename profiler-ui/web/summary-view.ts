/** Where each rank's time went: a bar and its numbers; the ops of all ranks; the collectives. */

import type { CollectiveSummary } from "../trace/collectives";
import { formatBytes, formatCount, formatRate, formatShare, formatTime } from "../trace/format";
import { KIND_LABELS, KINDS, type Kind } from "../trace/kinds";
import { KIND_COLOURS } from "../trace/palette";
import { kindTime, type OpSummary, type RankSummary, type RunSummary } from "../trace/summary";
import { el, figure, swatch } from "./dom";
import { table, type Column } from "./table";

/** Kinds that take any time on any of the ranks, in the order of KINDS. */
export function kindsOf(summaries: readonly RunSummary[]): Kind[] {
  return KINDS.filter((kind) => summaries.some(({ ranks }) => ranks.some((rank) => kindTime(rank, kind).ownNs > 0)));
}

/** One bar a rank, all on one scale, with the share of each kind beside it. */
export function rankTable(summary: RunSummary): HTMLElement {
  const kinds = kindsOf([summary]);
  const longest = Math.max(1, ...summary.ranks.map(({ stepNs }) => stepNs));
  const columns: Column<RankSummary>[] = [
    { label: "rank", cell: ({ rank }) => String(rank) },
    { label: "share of step time", text: true, cell: (rank) => bar(rank, longest) },
    ...kinds.map((kind): Column<RankSummary> => ({
      label: KIND_LABELS[kind],
      title: kind === "collective" ? "AllReduce time that no compute hides" : `Time in ${KIND_LABELS[kind]}`,
      cell: (rank) => figure(formatShare(kindTime(rank, kind).share)),
    })),
    { label: "idle", title: "Step time in which no op ran", cell: (rank) => figure(formatShare(rank.idleShare)) },
    {
      label: "overlap",
      title: "Share of AllReduce time under compute",
      cell: (rank) => figure(formatShare(rank.overlapShare)),
    },
    { label: "step time", cell: (rank) => figure(formatTime(rank.stepNs)) },
    { label: "sent", cell: (rank) => figure(formatBytes(rank.wireBytes)) },
  ];
  return table(summary.ranks, { caption: "Share of each rank's step time by kind of op", columns, capped: true });
}

/** A stacked bar whose full width is `longest`. */
export function bar(rank: RankSummary, longest: number): HTMLElement {
  const parts = [
    ...KINDS.map((kind) => ({ label: KIND_LABELS[kind], colour: KIND_COLOURS[kind], ns: kindTime(rank, kind).ownNs })),
    { label: "idle", colour: "", ns: rank.idleNs },
  ].filter(({ ns }) => ns > 0);
  return el(
    "div",
    {
      class: "stack",
      role: "img",
      "aria-label": parts.map(({ label, ns }) => `${label} ${formatShare(ns / rank.stepNs)}`).join(", "),
    },
    ...parts.map(({ label, colour, ns }) => {
      const part = el("span", {
        title: `${label}: ${formatTime(ns)}, ${formatShare(ns / rank.stepNs)}`,
        ...(colour === "" ? { class: "idle" } : {}),
      });
      part.style.width = `${(100 * ns) / longest}%`;
      if (colour !== "") part.style.backgroundColor = colour;
      return part;
    }),
  );
}

/** The colours of the bars. */
export function barLegend(kinds: readonly Kind[]): HTMLElement {
  return el(
    "div",
    { class: "legend" },
    ...kinds.map((kind) => el("span", { class: "key" }, swatch(KIND_COLOURS[kind]), KIND_LABELS[kind])),
    el("span", { class: "key" }, el("span", { class: "swatch idle", "aria-hidden": "true" }), "idle"),
  );
}

/** Every op of all ranks. */
export function opTable(summary: RunSummary): HTMLElement {
  const columns: Column<OpSummary>[] = [
    { label: "op", cell: ({ name, kind }) => named(name, kind), by: ({ name }) => name },
    { label: "spans", cell: ({ count }) => figure(formatCount(count)), by: ({ count }) => count },
    { label: "total", cell: ({ totalNs }) => figure(formatTime(totalNs)), by: ({ totalNs }) => totalNs },
    {
      label: "share",
      title: "Of the step time of all ranks",
      cell: ({ share }) => figure(formatShare(share)),
      by: ({ share }) => share,
    },
    { label: "mean", cell: ({ meanNs }) => figure(formatTime(meanNs)), by: ({ meanNs }) => meanNs },
    { label: "p50", cell: ({ p50Ns }) => figure(formatTime(p50Ns)), by: ({ p50Ns }) => p50Ns },
    { label: "p99", cell: ({ p99Ns }) => figure(formatTime(p99Ns)), by: ({ p99Ns }) => p99Ns },
    { label: "arithmetic", cell: (op) => rate(op.flops, op, "FLOP/s"), by: ({ flops, totalNs }) => flops / totalNs },
    { label: "memory", cell: (op) => rate(op.bytes, op, "B/s"), by: ({ bytes, totalNs }) => bytes / totalNs },
    {
      label: "sent",
      cell: ({ wireBytes }) => (wireBytes > 0 ? figure(formatBytes(wireBytes)) : ""),
      by: ({ wireBytes }) => wireBytes,
    },
  ];
  return table(summary.ops, {
    caption: "Ops of all ranks together",
    columns,
    rowClass: ({ nested }) => (nested ? "nested" : ""),
  });
}

/** Collectives by op and wire: how much of their time is waiting for the last rank. */
export function collectiveTable(collectives: readonly CollectiveSummary[]): HTMLElement {
  const columns: Column<CollectiveSummary>[] = [
    { label: "collective", cell: ({ name }) => named(name, "collective"), by: ({ name }) => name },
    {
      label: "wire",
      text: true,
      cell: ({ wireType, algorithm }) => [wireType, algorithm].filter((text) => text !== "").join(", "),
    },
    { label: "count", cell: ({ count }) => figure(formatCount(count)), by: ({ count }) => count },
    {
      label: "sent",
      title: "By all ranks together",
      cell: ({ wireBytes }) => figure(formatBytes(wireBytes)),
      by: ({ wireBytes }) => wireBytes,
    },
    {
      label: "transfer, mean",
      title: "From the last rank's arrival to the end",
      cell: ({ meanTransferNs }) => figure(formatTime(meanTransferNs)),
      by: ({ meanTransferNs }) => meanTransferNs,
    },
    {
      label: "p99",
      cell: ({ p99TransferNs }) => figure(formatTime(p99TransferNs)),
      by: ({ p99TransferNs }) => p99TransferNs,
    },
    {
      label: "arrival skew, mean",
      title: "From the first rank's arrival to the last's",
      cell: ({ meanSkewNs }) => figure(formatTime(meanSkewNs)),
      by: ({ meanSkewNs }) => meanSkewNs,
    },
    { label: "p99", cell: ({ p99SkewNs }) => figure(formatTime(p99SkewNs)), by: ({ p99SkewNs }) => p99SkewNs },
  ];
  return table(collectives, { caption: "Collectives matched across ranks", columns });
}

/** A name with the colour of its kind. */
export function named(name: string, kind: Kind): HTMLElement {
  return el("span", { class: "named" }, swatch(KIND_COLOURS[kind]), name);
}

function rate(amount: number, { totalNs }: OpSummary, unit: string): Node | string {
  return amount > 0 && totalNs > 0 ? figure(formatRate((amount * 1e9) / totalNs, unit)) : "";
}
