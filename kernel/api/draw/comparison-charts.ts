/** Charts of two runs for notebooks. */

import type { RunComparison } from "../../../profiler-ui/trace/compare";
import {
  changedOps,
  kindsFigure,
  LEDGER,
  ledgerFigure,
  opsFigure,
  runNames,
} from "../../../profiler-ui/trace/comparison-figures";
import type { Figure } from "../../../profiler-ui/trace/figure";
import { formatTime } from "../../../profiler-ui/trace/format";
import { KIND_LABELS } from "../../../profiler-ui/trace/kinds";
import { chart, chartList, right, type Chart } from "./chart";

/** The charts of a comparison. Those that have nothing to show are left out. */
export interface ComparisonCharts {
  /** A rank's time in both runs, by kind of op. */
  readonly kinds: Chart;
  /** The ops whose time differs most. */
  readonly ops?: Chart;
  /** Waiting, moving bytes, quantising: where the AllReduces' time went. */
  readonly allReduce?: Chart;
}

export function comparisonCharts(comparison: RunComparison): ComparisonCharts {
  type Row = readonly [name: string, times: { readonly a: number; readonly b: number }];
  const draw = (figure: Figure, title: string, rows: readonly Row[]): Chart =>
    chart(
      figure,
      [{ title }, ...runNames(comparison).map(right)],
      rows.filter(([, { a, b }]) => a > 0 || b > 0).map(([name, { a, b }]) => [name, formatTime(a), formatTime(b)]),
    );
  const { kinds, ledger } = comparison;
  const ops = changedOps(comparison);
  return chartList({
    kinds: draw(
      kindsFigure(comparison),
      "kind",
      kinds.map((one) => [one.kind === "idle" ? "idle" : KIND_LABELS[one.kind], one]),
    ),
    ...(ops.length > 0 && {
      ops: draw(
        opsFigure(comparison),
        "op",
        ops.map(({ name, total }) => [name, total]),
      ),
    }),
    ...((ledger.total.a > 0 || ledger.total.b > 0) && {
      allReduce: draw(
        ledgerFigure(comparison),
        "part",
        (Object.keys(LEDGER) as (keyof typeof LEDGER)[]).map((part) => [LEDGER[part][0], ledger[part]]),
      ),
    }),
  });
}
