/** The tab of charts: where time goes, what the wire costs, how steady tokens come, what memory holds. */

import type { RunAnalysis } from "../trace/analysis";
import {
  latencyFigure,
  memoryFigure,
  rankName,
  rooflineFigure,
  SPLIT,
  splitFigure,
  timeByOpFigure,
  transfersFigure,
} from "../trace/figures";
import { formatBytes, formatCount, formatNumber, formatRate, formatTime } from "../trace/format";
import { inkOn, mix } from "../trace/palette";
import { chart } from "./chart";
import { el, figure } from "./dom";
import { named } from "./summary-view";
import { table, type Column } from "./table";

export function analysisView(analysis: RunAnalysis): Node[] {
  return [
    timeByOp(analysis),
    splitByRank(analysis),
    roofline(analysis),
    ...(analysis.transfers.length > 0 ? [transfers(analysis)] : []),
    ...analysis.latencies.map(latency),
    ...(analysis.memory.length > 0 ? [memory(analysis)] : []),
    ...Object.entries(analysis.layers).map(([phase, map]) => layerMap(phase, map)),
  ];
}

const time = (ns: number): HTMLElement => figure(formatTime(ns));

function timeByOp(analysis: RunAnalysis): HTMLElement {
  const { ranks, ops } = analysis.opTimes;
  const columns: Column<(typeof ops)[number]>[] = [
    { label: "op", cell: ({ name, kind }) => named(name, kind), by: ({ name }) => name },
    ...ranks.map((rank, k) => ({
      label: rankName(rank),
      cell: ({ ns }: (typeof ops)[number]) => time(ns[k] ?? 0),
      by: ({ ns }: (typeof ops)[number]) => ns[k] ?? 0,
    })),
  ];
  return chart({
    ...timeByOpFigure(analysis),
    table: table(ops, { caption: "Time by op and rank", columns }),
  });
}

function splitByRank(analysis: RunAnalysis): HTMLElement {
  return chart({
    ...splitFigure(analysis),
    table: table(analysis.split, {
      caption: "Exposed communication, overlap and idle by rank",
      columns: [
        { label: "rank", cell: ({ rank }) => String(rank) },
        ...SPLIT.map(([label, part]) => ({ label, cell: (rank: RunAnalysis["split"][number]) => time(rank[part]) })),
      ],
    }),
  });
}

function roofline(analysis: RunAnalysis): HTMLElement {
  return chart({
    ...rooflineFigure(analysis),
    table: table(analysis.roofline.points, {
      caption: "Roofline",
      columns: [
        { label: "op", cell: ({ name, kind }) => named(name, kind), by: ({ name }) => name },
        {
          label: "FLOP a byte",
          cell: ({ intensity }) => figure(formatNumber(intensity)),
          by: ({ intensity }) => intensity,
        },
        {
          label: "arithmetic",
          cell: ({ flopsPerSecond }) => figure(formatRate(flopsPerSecond, "FLOP/s")),
          by: ({ flopsPerSecond }) => flopsPerSecond,
        },
        {
          label: "memory",
          cell: ({ bytesPerSecond }) => figure(formatRate(bytesPerSecond, "B/s")),
          by: ({ bytesPerSecond }) => bytesPerSecond,
        },
      ],
    }),
  });
}

function transfers(analysis: RunAnalysis): HTMLElement {
  const rows = analysis.transfers.flatMap((one) => one.points.map((point) => ({ ...point, wireType: one.wireType })));
  return chart({
    ...transfersFigure(analysis),
    table: table(rows, {
      caption: "AllReduce time by message size",
      columns: [
        { label: "wire", cell: ({ wireType }) => wireType, by: ({ wireType }) => wireType },
        { label: "message", cell: ({ bytes }) => figure(formatBytes(bytes)), by: ({ bytes }) => bytes },
        { label: "count", cell: ({ count }) => figure(formatCount(count)), by: ({ count }) => count },
        { label: "median", cell: ({ medianNs }) => time(medianNs), by: ({ medianNs }) => medianNs },
        { label: "p10", cell: ({ p10Ns }) => time(p10Ns), by: ({ p10Ns }) => p10Ns },
        { label: "p90", cell: ({ p90Ns }) => time(p90Ns), by: ({ p90Ns }) => p90Ns },
      ],
    }),
  });
}

function latency(one: RunAnalysis["latencies"][number]): HTMLElement {
  const { label } = one;
  const rows = [one];
  return chart({
    ...latencyFigure(one),
    table: table(rows, {
      caption: label,
      columns: [
        { label: "count", cell: (row) => figure(formatCount(row.count)) },
        { label: "p50", cell: ({ p50Ns }) => time(p50Ns) },
        { label: "p90", cell: ({ p90Ns }) => time(p90Ns) },
        { label: "p99", cell: ({ p99Ns }) => time(p99Ns) },
        { label: "longest", cell: ({ maxNs }) => time(maxNs) },
      ],
    }),
  });
}

function memory(analysis: RunAnalysis): HTMLElement {
  const kinds = analysis.memory;
  const ranks = kinds[0]?.bytes.map((_, rank) => rank) ?? [];
  return chart({
    ...memoryFigure(analysis),
    table: table(kinds, {
      caption: "Memory by kind and rank",
      columns: [
        { label: "kind", cell: ({ kind }) => kind },
        ...ranks.map((rank) => ({
          label: rankName(rank),
          cell: ({ bytes }: (typeof kinds)[number]) => figure(formatBytes(bytes[rank] ?? 0)),
        })),
      ],
    }),
  });
}

/** Picture and numbers in one: a table whose cells are coloured by the logarithm of their time. */
function layerMap(phase: string, { layers, ops, meanNs }: RunAnalysis["layers"][string]): HTMLElement {
  const logs = meanNs.flat().flatMap((ns) => (ns !== null && ns > 0 ? [Math.log(ns)] : []));
  const low = Math.min(...logs);
  const range = Math.max(1e-9, Math.max(...logs) - low);
  const cell = (ns: number | null): HTMLElement => {
    if (ns === null) return el("td");
    const heat = ns > 0 ? (Math.log(ns) - low) / range : 0;
    const colour = mix("#fff3d6", "#7a1f4b", heat);
    const td = el("td", { title: formatTime(ns) }, formatNumber(ns / 1e3));
    td.style.backgroundColor = colour;
    td.style.color = inkOn(colour);
    return td;
  };
  return el(
    "figure",
    { class: "chart wide" },
    el(
      "figcaption",
      {},
      el("h3", {}, `Layers in ${phase}`),
      el(
        "p",
        { class: "muted" },
        "Mean time of an op in each layer in µs, over all steps and ranks; the colour goes by its logarithm.",
      ),
    ),
    el(
      "div",
      { class: "heat", tabindex: "0", role: "region", "aria-label": `Mean time by op and layer in ${phase}` },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "op"),
            ...layers.map((layer) => el("th", { scope: "col" }, String(layer))),
          ),
        ),
        el(
          "tbody",
          {},
          ...ops.map((name, k) => el("tr", {}, el("th", { scope: "row" }, name), ...(meanNs[k] ?? []).map(cell))),
        ),
      ),
    ),
  );
}
