/** Charts of two runs side by side: `a` is the baseline. */

import type { CollectiveLedger, RunComparison } from "./compare";
import type { BarTrace, Figure } from "./figure";
import { LEGEND_BELOW, ms, stackedFigure } from "./figures";
import { KIND_LABELS } from "./kinds";
import { KIND_COLOURS } from "./palette";

/** Ops that a chart of differences has room for. */
const MOST_OPS = 12;

/** Runs by name; by id where both have the same. */
export function runNames({ a, b }: RunComparison): readonly [a: string, b: string] {
  const names = [a.label || a.id, b.label || b.id] as const;
  return names[0] === names[1] ? [a.id, b.id] : names;
}

type Part = readonly [name: string, colour: string, compared: { readonly a: number; readonly b: number }];

/** A bar a run, of parts that add up. */
function stacked(comparison: RunComparison, title: string, counts: string, parts: readonly Part[]): Figure {
  return stackedFigure(
    { title, counts, height: 220 },
    runNames(comparison),
    parts.filter(([, , { a, b }]) => a > 0 || b > 0).map(([name, colour, { a, b }]) => ({ name, colour, ns: [a, b] })),
  );
}

export function kindsFigure(comparison: RunComparison): Figure {
  return stacked(
    comparison,
    "A rank's time by kind",
    "Mean over ranks of each kind's own time in the steps, and idle; the parts add up to the steps.",
    comparison.kinds.map((one) => [
      one.kind === "idle" ? "idle" : KIND_LABELS[one.kind],
      one.kind === "idle" ? IDLE_SHADE : KIND_COLOURS[one.kind],
      one,
    ]),
  );
}

/** The palette's idle is the colour of a lane's empty ground: a bar must be seen. */
const IDLE_SHADE = "#d3dade";

/** Parts of the collectives' time: name and colour. */
export const LEDGER: Readonly<Record<Exclude<keyof CollectiveLedger, "total">, readonly [string, string]>> = {
  waiting: ["waiting for the last rank", KIND_COLOURS.host],
  moving: ["moving bytes", KIND_COLOURS.collective],
  quantise: ["quantising", KIND_COLOURS.conv],
  dequantise: ["dequantising and adding", KIND_COLOURS.scan],
};

export function ledgerFigure(comparison: RunComparison): Figure {
  const parts = Object.entries(LEDGER) as [keyof typeof LEDGER, readonly [string, string]][];
  return stacked(
    comparison,
    "Where the AllReduces' time went",
    "From each collective's first arrival to its end, all of them together.",
    parts.map(([part, [name, colour]]) => [name, colour, comparison.ledger[part]]),
  );
}

/** Ops whose time differs most. */
export function changedOps({ ops }: RunComparison): RunComparison["ops"] {
  return ops.filter(({ nested, total }) => !nested && total.difference !== 0).slice(0, MOST_OPS);
}

export function opsFigure(comparison: RunComparison): Figure {
  const ops = changedOps(comparison);
  const bars = (name: string, color: string, pick: "a" | "b"): BarTrace => ({
    type: "bar",
    orientation: "h",
    name,
    y: ops.map((op) => op.name),
    x: ops.map(({ total }) => ms(total[pick])),
    marker: { color },
    hovertemplate: `${name}, %{y}: %{x:.4~g} ms<extra></extra>`,
  });
  const [a, b] = runNames(comparison);
  return {
    title: "Ops that differ most",
    counts: "A rank's time in each op, the largest difference first.",
    height: 100 + 34 * ops.length,
    traces: [bars(a, KIND_COLOURS.host, "a"), bars(b, KIND_COLOURS.scan, "b")],
    layout: {
      barmode: "group",
      legend: { ...LEGEND_BELOW, y: -0.15 },
      xaxis: { title: { text: "ms", standoff: 4 } },
      yaxis: { autorange: "reversed" },
    },
  };
}
