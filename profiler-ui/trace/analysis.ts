/** The numbers behind the charts of a run. Times in nanoseconds, sizes in bytes. */

import { reportCollectives, type CollectiveReport, type CollectiveRow } from "./collective-table";
import { firstRank } from "./columns";
import type { EventColumns } from "./events";
import { kindIndex, STEP, type Kind } from "./kinds";
import { fitLine, type Line } from "./line-fit";
import { quantile } from "./quantiles";
import type { RunInfo } from "./run";
import { kindTime, summarise, type RunSummary } from "./summary";

/** Time of each op on each rank. */
export interface OpTimes {
  readonly ranks: readonly number[];
  /** Largest first; parts of other ops are left out, as their time is counted there. */
  readonly ops: readonly { readonly name: string; readonly kind: Kind; readonly ns: readonly number[] }[];
}

/** A rank's time from the run's first span to its last; the parts add up. */
export interface RankSplit {
  readonly rank: number;
  /** Computing while nothing is on the wire. */
  readonly computeNs: number;
  /** Computing under a collective. */
  readonly overlapNs: number;
  /** In a collective and not computing. */
  readonly exposedNs: number;
  /** Inside steps, with nothing to do. */
  readonly idleNs: number;
  /** Outside steps: the host samples, hands out text, waits for the next request. */
  readonly betweenNs: number;
}

/** An op in the roofline's terms. */
export interface RooflinePoint {
  readonly name: string;
  readonly kind: Kind;
  /** Arithmetic over memory moved, FLOP a byte. */
  readonly intensity: number;
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface Roofline {
  readonly points: readonly RooflinePoint[];
  /** The most that any op of this run reached on one rank, in FLOP/s and B/s: no data sheet's figures. */
  readonly bestFlops: number;
  readonly bestBytes: number;
}

/** Transfers of one wire type, by size. */
export interface TransferSeries {
  readonly wireType: string;
  readonly bytesPerValue: number;
  /** By ascending message size, as it travels. */
  readonly points: readonly {
    readonly bytes: number;
    readonly count: number;
    readonly medianNs: number;
    readonly p10Ns: number;
    readonly p90Ns: number;
  }[];
  /** Time = latency + size / bandwidth; null with fewer than two sizes. */
  readonly fit: Line | null;
}

/** Where int8's line crosses another wire type's, in values of a message; null where int8 is never or always the quicker. */
export interface Crossover {
  readonly wireType: string;
  readonly values: number | null;
  readonly sentence: string;
}

export interface Distribution {
  readonly label: string;
  readonly count: number;
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
  /** At most 2000, evenly chosen from the sorted sample. */
  readonly samples: readonly number[];
}

/** Mean time of an op in each layer, over steps and ranks. */
export interface LayerMap {
  readonly layers: readonly number[];
  readonly ops: readonly string[];
  /** [op][layer]; null where the layer has no such op. */
  readonly meanNs: readonly (readonly (number | null)[])[];
}

export interface RunAnalysis {
  readonly opTimes: OpTimes;
  readonly split: readonly RankSplit[];
  readonly roofline: Roofline;
  readonly transfers: readonly TransferSeries[];
  readonly crossovers: readonly Crossover[];
  readonly latencies: readonly Distribution[];
  readonly memory: readonly { readonly kind: string; readonly bytes: readonly number[] }[];
  readonly layers: Readonly<Record<string, LayerMap>>;
}

export function analyse(
  events: EventColumns,
  info: RunInfo,
  summary: RunSummary = summarise(events),
  report: CollectiveReport = reportCollectives(events, info.clocks),
): RunAnalysis {
  const transfers = transferSeries(report.rows, info);
  return {
    opTimes: opTimes(events, summary),
    split: splitRanks(summary),
    roofline: rooflineOf(summary),
    transfers,
    crossovers: crossoversOf(transfers),
    latencies: latenciesOf(events, info),
    memory: Object.entries(info.memory ?? {}).map(([kind, bytes]) => ({ kind, bytes })),
    layers: layerMaps(events),
  };
}

function opTimes(events: EventColumns, summary: RunSummary): OpTimes {
  const ranks = summary.ranks.map(({ rank }) => rank);
  const column = new Map(ranks.map((rank, k) => [rank, k]));
  const width = ranks.length;
  const sums = new Float64Array(events.name.texts.length * width);
  for (let i = 0; i < events.count; i++) {
    const at = (events.name.codes[i] ?? 0) * width + (column.get(events.rank[i] ?? 0) ?? 0);
    sums[at] = (sums[at] ?? 0) + (events.durNs[i] ?? 0);
  }
  const ops = summary.ops
    .filter(({ nested }) => !nested)
    .map(({ name, kind }) => {
      const at = events.name.texts.indexOf(name) * width;
      return { name, kind, ns: [...sums.subarray(at, at + width)] };
    });
  return { ranks, ops };
}

function splitRanks({ ranks, durationNs }: RunSummary): RankSplit[] {
  return ranks.map((rank) => {
    const exposedNs = rank.exposedNs + 0;
    const overlapNs = rank.collectiveNs - rank.exposedNs;
    const host = kindTime(rank, "host").ownNs;
    const computeNs = rank.stepNs - rank.idleNs - exposedNs - overlapNs - host;
    return {
      rank: rank.rank,
      computeNs: Math.max(0, computeNs),
      overlapNs,
      exposedNs,
      idleNs: rank.idleNs + host,
      betweenNs: Math.max(0, durationNs - rank.stepNs),
    };
  });
}

function rooflineOf({ ops }: RunSummary): Roofline {
  const points = ops
    .filter(({ flops, bytes, totalNs, nested }) => !nested && flops > 0 && bytes > 0 && totalNs > 0)
    .map(({ name, kind, flops, bytes, totalNs }) => ({
      name,
      kind,
      intensity: flops / bytes,
      flopsPerSecond: (flops * 1e9) / totalNs,
      bytesPerSecond: (bytes * 1e9) / totalNs,
    }));
  return {
    points,
    bestFlops: Math.max(0, ...points.map(({ flopsPerSecond }) => flopsPerSecond)),
    bestBytes: Math.max(0, ...points.map(({ bytesPerSecond }) => bytesPerSecond)),
  };
}

/** Bytes that one value takes on the wire, scales included. */
function bytesPerValue(wireType: string, group: number): number {
  if (wireType === "int8") return 1 + 4 / Math.max(1, group || 128);
  return wireType === "f16" || wireType === "bf16" ? 2 : 4;
}

function transferSeries(rows: readonly CollectiveRow[], info: RunInfo): TransferSeries[] {
  const types = new Map<string, Map<number, number[]>>();
  for (const { name, wireType, algbw, transferNs } of rows) {
    if (!name.startsWith("all_reduce") || algbw <= 0) continue;
    let sizes = types.get(wireType);
    if (!sizes) types.set(wireType, (sizes = new Map<number, number[]>()));
    const bytes = Math.round((algbw * transferNs) / 1e9);
    const known = sizes.get(bytes);
    if (known) known.push(transferNs);
    else sizes.set(bytes, [transferNs]);
  }
  return [...types].map(([wireType, sizes]) => {
    const points = [...sizes]
      .sort(([a], [b]) => a - b)
      .map(([bytes, times]) => {
        const sorted = Float64Array.from(times).sort();
        return {
          bytes,
          count: times.length,
          medianNs: quantile(sorted, 0.5),
          p10Ns: quantile(sorted, 0.1),
          p90Ns: quantile(sorted, 0.9),
        };
      });
    const fit = fitLine(points.map(({ bytes, medianNs, count }) => ({ x: bytes, y: medianNs, weight: count })));
    return { wireType, bytesPerValue: bytesPerValue(wireType, info.quantisationGroup), points, fit };
  });
}

/** Two lines cross where latency saved by one equals bandwidth saved by the other. */
function crossoversOf(series: readonly TransferSeries[]): Crossover[] {
  const int8 = series.find(({ wireType }) => wireType === "int8");
  if (!int8?.fit) return [];
  const { fit, bytesPerValue: size } = int8;
  return series.flatMap((other): Crossover[] => {
    if (other.wireType === "int8" || !other.fit) return [];
    const slope = fit.slope * size - other.fit.slope * other.bytesPerValue;
    const values = slope === 0 ? NaN : (other.fit.intercept - fit.intercept) / slope;
    const crosses = values > 0 && slope < 0;
    const quicker = fit.intercept <= other.fit.intercept && slope <= 0;
    const sentence = crosses
      ? `int8 is the quicker from ${Math.round(values)} values a message on`
      : quicker
        ? "int8 is the quicker at every size by these lines"
        : "int8 is the slower at every size by these lines";
    return [{ wireType: other.wireType, values: crosses ? values : null, sentence }];
  });
}

function latenciesOf(events: EventColumns, info: RunInfo): Distribution[] {
  const first = firstRank(events);
  const step = events.name.texts.indexOf(STEP);
  const decode = events.phase.texts.indexOf("decode");
  const sampled = sampledIn(events);
  const lastEnd = new Map<number, number>();
  const between: number[] = [];
  for (let i = 0; i < events.count; i++) {
    if (events.name.codes[i] !== step || events.rank[i] !== first) continue;
    const end = (events.startNs[i] ?? 0) + (events.durNs[i] ?? 0);
    // A step gives each request that it samples for one token, where others' prompts are read in it, too. Of a step that
    // does not say, only a decode step is known to give one, after the request's step before.
    const requests = sampled.get(events.step[i] ?? -1);
    const isDecode = events.phase.codes[i] === decode;
    for (const request of requests ?? [events.request[i] ?? -1]) {
      const before = lastEnd.get(request);
      if (before !== undefined && (requests || isDecode)) between.push(end - before);
      // Where the others say, this one has read a part of a prompt.
      if (requests || isDecode || sampled.size === 0) lastEnd.set(request, end);
      else lastEnd.delete(request);
    }
  }
  return [
    distribution(
      "time to first token",
      info.requests.map(({ ttftMs }) => ttftMs * 1e6),
    ),
    distribution("inter-token latency", between),
  ].filter(({ count }) => count > 0);
}

/** By step: the requests that got a token in it, each chosen by one of the ranks, where its spans say so. */
function sampledIn(events: EventColumns): Map<number, number[]> {
  const sample = events.name.texts.indexOf("sample");
  const requests = new Map<number, number[]>();
  for (let i = 0; i < events.count; i++) {
    const request = events.request[i] ?? -1;
    if (events.name.codes[i] !== sample || request < 0) continue;
    const step = events.step[i] ?? -1;
    const list = requests.get(step);
    if (list) list.push(request);
    else requests.set(step, [request]);
  }
  return requests;
}

function distribution(label: string, values: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).sort();
  const stride = Math.max(1, sorted.length / 2000);
  const samples = Array.from({ length: Math.min(sorted.length, 2000) }, (_, k) => sorted[Math.floor(k * stride)] ?? 0);
  return {
    label,
    count: sorted.length,
    p50Ns: quantile(sorted, 0.5),
    p90Ns: quantile(sorted, 0.9),
    p99Ns: quantile(sorted, 0.99),
    maxNs: sorted.at(-1) ?? NaN,
    samples,
  };
}

/** A map a phase: prefill and decode differ by far more than layers do. */
function layerMaps(events: EventColumns): Record<string, LayerMap> {
  const maps: Record<string, LayerMap> = {};
  events.phase.texts.forEach((phase, code) => {
    const sums = new Map<string, { sum: number; count: number }>();
    const layers = new Set<number>();
    const ops = new Map<string, number>();
    for (let i = 0; i < events.count; i++) {
      const layer = events.layer[i] ?? -1;
      if (events.phase.codes[i] !== code || layer < 0) continue;
      const name = events.name.texts[events.name.codes[i] ?? 0] ?? "";
      const key = `${layer} ${name}`;
      const known = sums.get(key);
      layers.add(layer);
      if (!ops.has(name)) ops.set(name, kindIndex(events.kind.texts[events.kind.codes[i] ?? 0] ?? ""));
      if (!known) sums.set(key, { sum: events.durNs[i] ?? 0, count: 1 });
      else {
        known.sum += events.durNs[i] ?? 0;
        known.count++;
      }
    }
    if (layers.size === 0) return;
    const ascending = [...layers].sort((a, b) => a - b);
    const names = [...ops].sort(([, a], [, b]) => a - b).map(([name]) => name);
    const meanNs = names.map((name) =>
      ascending.map((layer) => {
        const cell = sums.get(`${layer} ${name}`);
        return cell ? cell.sum / cell.count : null;
      }),
    );
    maps[phase] = { layers: ascending, ops: names, meanNs };
  });
  return maps;
}
