/** Charts of a run in Plotly's terms: the page draws them, and notebooks do. */

import type { RankSplit, RunAnalysis, TransferSeries } from "./analysis";
import type { Axis, Figure, ScatterTrace, TextPosition } from "./figure";
import { formatBytes, formatCount, formatRate, formatTime } from "./format";
import type { Line } from "./line-fit";
import { KIND_COLOURS, wirePattern, type WirePattern } from "./palette";

export const ms = (ns: number): number => ns / 1e6;
export const rankName = (rank: number): string => `rank ${rank}`;

export function timeByOpFigure({ opTimes: { ranks, ops } }: RunAnalysis): Figure {
  return {
    title: "Time by op and rank",
    counts: "Sum of each op's spans on each rank. Ops on different streams overlap, so sums may exceed the run.",
    height: Math.max(220, 60 + 40 * ranks.length),
    traces: ops.map(({ name, kind, ns }) => ({
      type: "bar",
      orientation: "h",
      name,
      y: ranks.map(rankName),
      x: ns.map(ms),
      text: ranks.map(() => name),
      textposition: "inside",
      insidetextanchor: "middle",
      textangle: 0,
      marker: { color: KIND_COLOURS[kind], line: { color: "rgba(255,255,255,0.5)", width: 0.5 } },
      hovertemplate: `${name}: %{x:.4~g} ms<extra>%{y}</extra>`,
    })),
    layout: {
      barmode: "stack",
      // Where a name does not fit into its bar, hovering says it.
      uniformtext: { mode: "hide", minsize: 10 },
      showlegend: false,
      xaxis: { title: { text: "ms" } },
      yaxis: { autorange: "reversed" },
    },
  };
}

/** Above the bars it would cover the first of them. */
export const LEGEND_BELOW = { orientation: "h", y: -0.5, x: 0, traceorder: "normal" } as const;

/** Parts of a rank's time: name, where it stands, colour. */
export const SPLIT: readonly (readonly [name: string, part: Exclude<keyof RankSplit, "rank">, colour: string])[] = [
  ["computing", "computeNs", KIND_COLOURS.gemm],
  ["computing under a collective", "overlapNs", KIND_COLOURS.conv],
  ["exposed AllReduce", "exposedNs", KIND_COLOURS.collective],
  ["idle in a step", "idleNs", KIND_COLOURS.copy],
  ["between steps", "betweenNs", KIND_COLOURS.host],
];

/** A bar of each of `names`, of parts in nanoseconds that add up. */
export function stackedFigure(
  about: Pick<Figure, "title" | "counts" | "height">,
  names: readonly string[],
  parts: readonly { readonly name: string; readonly colour: string; readonly ns: readonly number[] }[],
): Figure {
  return {
    ...about,
    traces: parts.map(({ name, colour, ns }) => ({
      type: "bar",
      orientation: "h",
      name,
      y: names,
      x: ns.map(ms),
      marker: { color: colour },
      hovertemplate: `${name}: %{x:.4~g} ms<extra>%{y}</extra>`,
    })),
    layout: {
      barmode: "stack",
      legend: LEGEND_BELOW,
      xaxis: { title: { text: "ms", standoff: 4 } },
      yaxis: { autorange: "reversed" },
    },
  };
}

export function splitFigure({ split }: RunAnalysis): Figure {
  return stackedFigure(
    {
      title: "Exposed communication, overlap, idle",
      counts: "Each rank's time from the run's first span to its last; the parts add up. Overlapped parts count once.",
      height: Math.max(220, 60 + 40 * split.length) + 40,
    },
    split.map(({ rank }) => rankName(rank)),
    SPLIT.map(([name, part, colour]) => ({ name, colour, ns: split.map((rank) => rank[part]) })),
  );
}

export function rooflineFigure({ roofline: { points, bestFlops, bestBytes } }: RunAnalysis): Figure {
  const xs = points.map(({ intensity }) => intensity);
  const ridge = bestFlops / Math.max(1, bestBytes);
  const low = Math.min(ridge, ...xs) / 3;
  const high = Math.max(ridge, ...xs) * 3;
  return {
    title: "Roofline",
    counts:
      "Mean speed of an op on one rank over its arithmetic intensity, both from shapes. The roofs are the best that any op of this run reached, not a data sheet's.",
    height: 380,
    traces: [
      {
        type: "scatter",
        mode: "lines",
        name: "best seen in this run",
        x: [low, ridge, high],
        y: [low * bestBytes, bestFlops, bestFlops],
        line: { color: "#8a94a0", dash: "dot", width: 1.5 },
        hoverinfo: "skip",
      },
      {
        type: "scatter",
        mode: "markers+text",
        name: "ops",
        x: xs,
        y: points.map(({ flopsPerSecond }) => flopsPerSecond),
        text: points.map(({ name }) => name),
        textposition: labelPlaces(
          points.map((point) => [Math.log10(point.intensity), Math.log10(point.flopsPerSecond)]),
        ),
        textfont: { size: 10 },
        marker: { size: 9, color: points.map(({ kind }) => KIND_COLOURS[kind]) },
        hovertemplate: "%{text}: %{y:.3~s}FLOP/s at %{x:.3~g} FLOP/B<extra></extra>",
      },
    ],
    layout: {
      showlegend: false,
      xaxis: { type: "log", dtick: "D2", title: { text: "FLOP a byte" } },
      yaxis: { type: "log", dtick: "D2", title: { text: "FLOP/s" }, exponentformat: "SI" },
    },
  };
}

/** Where each point's label stands so that labels of close points keep apart; the nearest neighbours share the sides. */
function labelPlaces(points: readonly (readonly [x: number, y: number])[]): TextPosition[] {
  const sides = ["middle right", "middle left", "top center", "bottom center"] as const;
  const taken: { readonly at: readonly [number, number]; readonly side: number }[] = [];
  return points.map((at) => {
    const near = taken.filter((other) => Math.abs(other.at[0] - at[0]) < 0.5 && Math.abs(other.at[1] - at[1]) < 0.12);
    const side = sides.findIndex((_, candidate) => near.every((other) => other.side !== candidate));
    taken.push({ at, side: Math.max(0, side) });
    return sides[Math.max(0, side)] ?? "middle right";
  });
}

const SYMBOLS: Readonly<Record<WirePattern, "circle" | "square" | "diamond" | "x">> = {
  none: "circle",
  dots: "square",
  lines: "diamond",
  hatch: "x",
};

const SHADES: Readonly<Record<string, string>> = {
  f32: "#2a78c6",
  f16: "#1f8a6d",
  bf16: "#6a4085",
  int8: "#e0713c",
};

export function transfersFigure({ transfers: series, crossovers }: RunAnalysis): Figure {
  const sizes = series.flatMap(({ points }) => points.map(({ bytes }) => bytes));
  const lines = [
    ...series.map((one) => `${one.wireType}: ${lineText(one)}`),
    ...crossovers.map(({ wireType, sentence }) => `against ${wireType}, ${sentence}`),
  ];
  return {
    title: "AllReduce time and message size",
    counts: `Median transfer, from the last rank's arrival to the end, of messages of one size; bars from the 10th to the 90th percentile. ${lines.join("; ")}.`,
    height: 360,
    traces: series.flatMap(({ wireType, points, fit }): ScatterTrace[] => {
      const color = SHADES[wireType] ?? KIND_COLOURS.collective;
      const xs = points.map(({ bytes }) => bytes);
      return [
        {
          type: "scatter",
          mode: "markers",
          name: wireType,
          x: xs,
          y: points.map(({ medianNs }) => medianNs / 1e3),
          error_y: {
            type: "data",
            symmetric: false,
            array: points.map(({ p90Ns, medianNs }) => (p90Ns - medianNs) / 1e3),
            arrayminus: points.map(({ p10Ns, medianNs }) => (medianNs - p10Ns) / 1e3),
            color,
            thickness: 1,
          },
          marker: { color, size: 9, symbol: SYMBOLS[wirePattern(wireType)] },
          hovertemplate: `${wireType}, %{x:.4~s}B: %{y:.4~g} µs<extra></extra>`,
        },
        ...(fit ? [lineTrace(wireType, xs, fit, color)] : []),
      ];
    }),
    layout: {
      xaxis: { type: "log", title: { text: "message on the wire" }, ...sizeTicks(sizes) },
      yaxis: { title: { text: "µs" }, rangemode: "tozero" },
    },
  };
}

function lineTrace(wireType: string, xs: readonly number[], { intercept, slope }: Line, color: string): ScatterTrace {
  return {
    type: "scatter",
    mode: "lines",
    name: `${wireType}, line`,
    showlegend: false,
    x: xs,
    y: xs.map((x) => (intercept + slope * x) / 1e3),
    line: { color, width: 1.5, dash: "dot" },
    hoverinfo: "skip",
  };
}

/** Marks at the sizes themselves where they are few, else at powers of ten. */
function sizeTicks(sizes: readonly number[]): Axis {
  const distinct = [...new Set(sizes)].sort((a, b) => a - b);
  // On a logarithmic axis labels closer than this run into each other.
  const room = ((distinct.at(-1) ?? 1) / (distinct[0] ?? 1)) ** (1 / 8);
  const apart = distinct.every((size, k) => k === 0 || size / (distinct[k - 1] ?? size) > Math.max(1.2, room));
  return distinct.length <= 6 && apart
    ? { tickvals: distinct, ticktext: distinct.map(formatBytes) }
    : { dtick: 1, ticksuffix: "B", exponentformat: "SI" };
}

/** "7.90 µs + size / 1.23 GB/s". */
function lineText({ fit, points }: TransferSeries): string {
  if (!fit) return "one size only, no line";
  if (fit.slope <= 0) return `about ${formatTime(fit.intercept)} at any size seen`;
  const trust = points.length < 3 ? "through two sizes only" : `r² ${fit.r2.toFixed(2)}`;
  return `${formatTime(fit.intercept)} + size / ${formatRate(1e9 / fit.slope, "B/s")} (${trust})`;
}

export function latencyFigure(one: RunAnalysis["latencies"][number]): Figure {
  const { label, count, samples } = one;
  return {
    title: `${label.charAt(0).toUpperCase()}${label.slice(1)}`,
    counts:
      label === "inter-token latency"
        ? `Time from one token of a request to its next, ${formatCount(count)} of them, by the ends of the first rank's steps.`
        : `From the request to its first token, ${formatCount(count)} ${count === 1 ? "request" : "requests"}.`,
    height: count === 1 ? 140 : 300,
    traces: [
      count === 1
        ? { type: "bar", orientation: "h", x: samples.map(ms), y: [""], marker: { color: KIND_COLOURS.scan } }
        : { type: "histogram", x: samples.map(ms), nbinsx: 60, marker: { color: KIND_COLOURS.scan } },
    ],
    layout: { bargap: 0.04, showlegend: false, xaxis: { title: { text: "ms" } } },
  };
}

const MEMORY_SHADES = [
  KIND_COLOURS.gemm,
  KIND_COLOURS.scan,
  KIND_COLOURS.attention,
  KIND_COLOURS.collective,
  KIND_COLOURS.copy,
];

export function memoryFigure({ memory: kinds }: RunAnalysis): Figure {
  const ranks = kinds[0]?.bytes.map((_, rank) => rank) ?? [];
  return {
    title: "Memory by kind",
    counts: "What each rank of the model held when recording began.",
    height: Math.max(200, 60 + 40 * ranks.length) + 40,
    traces: kinds.map(({ kind, bytes }, k) => ({
      type: "bar",
      orientation: "h",
      name: kind,
      y: ranks.map(rankName),
      x: bytes,
      marker: { color: MEMORY_SHADES[k % MEMORY_SHADES.length] ?? KIND_COLOURS.host },
      hovertemplate: `${kind}: %{x:.4~s}B<extra>%{y}</extra>`,
    })),
    layout: {
      barmode: "stack",
      legend: LEGEND_BELOW,
      xaxis: { title: { text: "bytes", standoff: 4 }, exponentformat: "SI" },
      yaxis: { autorange: "reversed" },
    },
  };
}
