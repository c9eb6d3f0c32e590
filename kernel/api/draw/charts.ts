/** A run's charts for notebooks: Plotly's terms for viewers that draw them, the numbers as a table for all others. */

import type { RunAnalysis } from "../../../profiler-ui/trace/analysis";
import {
  latencyFigure,
  memoryFigure,
  rankName,
  rooflineFigure,
  SPLIT,
  splitFigure,
  timeByOpFigure,
  transfersFigure,
  type Figure,
} from "../../../profiler-ui/trace/figures";
import { formatBytes, formatCount, formatNumber, formatRate, formatTime } from "../../../profiler-ui/trace/format";
import { drawable } from "../display";
import { htmlTable, textTable, type Column, type Table } from "./table";

/** One chart: draws itself as a cell's result; `traces` and `layout` are Plotly's. */
export type Chart = Figure;

/** The charts of a run. Those that have nothing to show are left out. */
export interface RunCharts {
  readonly timeByOp: Chart;
  /** Each rank's time: computing, exposed communication, overlap, idle. */
  readonly split: Chart;
  readonly roofline: Chart;
  /** AllReduce time by message size. */
  readonly transfers?: Chart;
  /** Time to first token and between tokens. */
  readonly latencies: readonly Chart[];
  readonly memory?: Chart;
}

const right = (title: string): Column => ({ title, align: "right" });

export function runCharts(analysis: RunAnalysis): RunCharts {
  const { opTimes, split, roofline, transfers, latencies, memory } = analysis;
  const parts: (readonly [Figure, Table])[] = [];
  const draw = (figure: Figure, columns: readonly Column[], rows: readonly (readonly string[])[]): Chart => {
    const table = { title: figure.title, columns, rows, note: figure.counts };
    parts.push([figure, table]);
    return drawable({ ...figure }, () => ({
      "text/plain": textTable(table),
      "text/html": htmlTable(table),
      "application/vnd.plotly.v1+json": plotly(figure),
    }));
  };
  const charts: RunCharts = {
    timeByOp: draw(
      timeByOpFigure(analysis),
      [{ title: "op" }, ...opTimes.ranks.map(rankName).map(right)],
      opTimes.ops.map(({ name, ns }) => [name, ...ns.map(formatTime)]),
    ),
    split: draw(
      splitFigure(analysis),
      [{ title: "rank" }, ...SPLIT.map(([name]) => right(name))],
      split.map((rank) => [String(rank.rank), ...SPLIT.map(([, part]) => formatTime(rank[part]))]),
    ),
    roofline: draw(
      rooflineFigure(analysis),
      [{ title: "op" }, right("FLOP a byte"), right("arithmetic"), right("memory")],
      roofline.points.map((point) => [
        point.name,
        formatNumber(point.intensity),
        formatRate(point.flopsPerSecond, "FLOP/s"),
        formatRate(point.bytesPerSecond, "B/s"),
      ]),
    ),
    ...(transfers.length > 0 && {
      transfers: draw(
        transfersFigure(analysis),
        [{ title: "wire" }, right("message"), right("count"), right("median"), right("p10"), right("p90")],
        transfers.flatMap(({ wireType, points }) =>
          points.map((point) => [
            wireType,
            formatBytes(point.bytes),
            formatCount(point.count),
            ...[point.medianNs, point.p10Ns, point.p90Ns].map(formatTime),
          ]),
        ),
      ),
    }),
    latencies: latencies.map((one) =>
      draw(
        latencyFigure(one),
        [right("count"), right("p50"), right("p90"), right("p99"), right("longest")],
        [[formatCount(one.count), ...[one.p50Ns, one.p90Ns, one.p99Ns, one.maxNs].map(formatTime)]],
      ),
    ),
    ...(memory.length > 0 && {
      memory: draw(
        memoryFigure(analysis),
        [{ title: "kind" }, ...(memory[0]?.bytes.map((_, rank) => right(rankName(rank))) ?? [])],
        memory.map(({ kind, bytes }) => [kind, ...bytes.map(formatBytes)]),
      ),
    }),
  };
  return drawable(charts, () => ({
    "text/plain": parts.map(([, table]) => textTable(table)).join("\n\n"),
    "text/html": parts.map(([, table]) => htmlTable(table)).join(""),
  }));
}

function plotly({ title, height, traces, layout }: Figure): Readonly<Record<string, unknown>> {
  const layoutOfAll = { title: { text: title }, height: height + 80 };
  return { data: traces, layout: { ...layoutOfAll, ...layout }, config: { displaylogo: false } };
}
