/** A run's summary, collectives and comparison as tables; the same in notebooks and terminals. */

import type { CollectiveSummary } from "../../../profiler-ui/trace/collectives";
import type { Compared, RunComparison } from "../../../profiler-ui/trace/compare";
import {
  formatBytes,
  formatChange,
  formatCount,
  formatNumber,
  formatShare,
  formatTime,
} from "../../../profiler-ui/trace/format";
import { KIND_LABELS, KINDS } from "../../../profiler-ui/trace/kinds";
import { kindTime, type RunSummary } from "../../../profiler-ui/trace/summary";
import type { Column, Table } from "./table";

const right = (title: string): Column => ({ title, align: "right" });

/** Where each rank's step time went: shares by kind, idle, and bytes sent. */
export function ranksTable({ ranks }: RunSummary): Table {
  const kinds = KINDS.filter((kind) => ranks.some((rank) => kindTime(rank, kind).ownNs > 0));
  return {
    columns: [
      { title: "rank" },
      right("steps"),
      ...kinds.map((kind) => right(KIND_LABELS[kind])),
      right("idle"),
      right("sent"),
    ],
    rows: ranks.map((rank) => [
      String(rank.rank),
      formatTime(rank.stepNs),
      ...kinds.map((kind) => formatShare(kindTime(rank, kind).share)),
      formatShare(rank.idleShare),
      formatBytes(rank.wireBytes),
    ]),
  };
}

export function phasesTable({ phases }: RunSummary): Table {
  return {
    columns: [{ title: "phase" }, right("steps"), right("tokens"), right("time"), right("tokens/s")],
    rows: phases.map(({ phase, steps, tokens, timeNs, tokensPerSecond }) => [
      phase,
      formatCount(steps),
      formatCount(tokens),
      formatTime(timeNs),
      formatNumber(tokensPerSecond),
    ]),
  };
}

/** Time by op over all ranks. */
export function opsTable({ ops }: RunSummary): Table {
  return {
    columns: [
      { title: "op" },
      { title: "kind" },
      right("calls"),
      right("total"),
      right("share"),
      right("mean"),
      right("p99"),
    ],
    rows: ops.map((op) => [
      op.nested ? `  ${op.name}` : op.name,
      KIND_LABELS[op.kind],
      formatCount(op.count),
      formatTime(op.totalNs),
      formatShare(op.share),
      formatTime(op.meanNs),
      formatTime(op.p99Ns),
    ]),
    note: `all ranks together${ops.some(({ nested }) => nested) ? "; indented ops run inside others, whose time counts theirs" : ""}`,
  };
}

export function collectivesTable(collectives: readonly CollectiveSummary[]): Table {
  return {
    columns: [
      { title: "collective" },
      { title: "wire" },
      { title: "how" },
      right("count"),
      right("sent"),
      right("skew"),
      right("p99"),
      right("transfer"),
      right("p99"),
    ],
    rows: collectives.map((one) => [
      one.name,
      one.wireType,
      one.algorithm,
      formatCount(one.count),
      formatBytes(one.wireBytes),
      formatTime(one.meanSkewNs),
      formatTime(one.p99SkewNs),
      formatTime(one.meanTransferNs),
      formatTime(one.p99TransferNs),
    ]),
    note: "skew: from the first rank's arrival to the last's; transfer: from then to the end; means",
  };
}

/** Mean over ranks of each kind's time in both runs, and what they sent. */
export function comparisonTable(comparison: RunComparison): Table {
  const times = comparison.kinds.filter(({ a, b }) => a > 0 || b > 0);
  const row = (name: string, one: Compared, format: (value: number) => string): string[] => [
    name,
    format(one.a),
    format(one.b),
    one.ratio === null ? "–" : formatChange(one.ratio - 1),
  ];
  return {
    columns: [
      { title: "a rank's time" },
      right(comparison.a.label || comparison.a.id),
      right(comparison.b.label || comparison.b.id),
      right("change"),
    ],
    rows: [
      ...times.map((one) => row(one.kind === "idle" ? "idle" : KIND_LABELS[one.kind], one, formatTime)),
      row("steps", comparison.step, formatTime),
      ...comparison.phases.map((phase) => row(`${phase.phase} steps, tokens/s`, phase.tokensPerSecond, formatNumber)),
      row("sent, all ranks", comparison.wireBytes, formatBytes),
    ],
    note: comparison.verdict,
  };
}
