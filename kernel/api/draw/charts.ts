/** A run's charts for notebooks. */

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
} from "../../../profiler-ui/trace/figures";
import { formatBytes, formatCount, formatNumber, formatRate, formatTime } from "../../../profiler-ui/trace/format";
import { chart, chartList, right, type Chart } from "./chart";

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

export function runCharts(analysis: RunAnalysis): RunCharts {
  const { opTimes, split, roofline, transfers, latencies, memory } = analysis;
  const charts: RunCharts = {
    timeByOp: chart(
      timeByOpFigure(analysis),
      [{ title: "op" }, ...opTimes.ranks.map(rankName).map(right)],
      opTimes.ops.map(({ name, ns }) => [name, ...ns.map(formatTime)]),
    ),
    split: chart(
      splitFigure(analysis),
      [{ title: "rank" }, ...SPLIT.map(([name]) => right(name))],
      split.map((rank) => [String(rank.rank), ...SPLIT.map(([, part]) => formatTime(rank[part]))]),
    ),
    roofline: chart(
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
      transfers: chart(
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
      chart(
        latencyFigure(one),
        [right("count"), right("p50"), right("p90"), right("p99"), right("longest")],
        [[formatCount(one.count), ...[one.p50Ns, one.p90Ns, one.p99Ns, one.maxNs].map(formatTime)]],
      ),
    ),
    ...(memory.length > 0 && {
      memory: chart(
        memoryFigure(analysis),
        [{ title: "kind" }, ...(memory[0]?.bytes.map((_, rank) => right(rankName(rank))) ?? [])],
        memory.map(({ kind, bytes }) => [kind, ...bytes.map(formatBytes)]),
      ),
    }),
  };
  return chartList(charts);
}
