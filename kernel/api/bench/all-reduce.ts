/** How fast an AllReduce among ranks of this process is, by message size and wire type. */

import { formatNumber } from "../../../profiler-ui/trace/format";
import { addon } from "../addon";
import { drawable } from "../display";
import { htmlTable, textTable, type Table } from "../draw/table";
import { native } from "../errors";
import { cancellable, newJob } from "../model/jobs";
import type { AllReduceTimerSpec, WireType } from "../native";
import { abortSignal, callback, checkOptions, integer, invalid, type Rules } from "../options";
import { cellProgress, type Progress } from "../progress";
import { defaultThreads } from "../threads";
import { crossover, type Crossover } from "./crossover";

export interface AllReduceBenchOptions {
  /** 2 unless given. */
  readonly ranks?: number;
  /** Of the engine whose sums these stand for; the machine's cores over the ranks unless given. */
  readonly threadsPerRank?: number;
  /** Values that share a scale on an int8 wire, 128 unless given. */
  readonly group?: number;
  /** Smallest and largest message in bytes of its values as f32: 1 KiB and 16 MiB unless given. Each size is twice the one before. */
  readonly minBytes?: number;
  readonly maxBytes?: number;
  /** 5 unless given. */
  readonly rounds?: number;
  readonly signal?: AbortSignal;
  /** Bytes of the sizes that have been measured, and of all. */
  readonly onProgress?: (progress: Progress) => void;
}

/** A size on a wire. */
export interface AllReducePoint {
  readonly wireType: WireType;
  readonly values: number;
  /** Of the values as f32, whatever the wire, so that types compare. */
  readonly bytes: number;
  /** Median of the rounds. */
  readonly microseconds: number;
  /** Of the fastest round, which other work on the machine disturbed least. */
  readonly bestMicroseconds: number;
  /** `bytes` over time, 10^9 a second. */
  readonly algbw: number;
  /** algbw · 2(P-1)/P: what a link would carry in the best algorithm, as nccl-tests count it. */
  readonly busbw: number;
}

export interface AllReduceCurve {
  readonly ranks: number;
  readonly threadsPerRank: number;
  readonly group: number;
  readonly points: readonly AllReducePoint[];
  /** From which size on which type beats f32; null where none does. */
  readonly crossover: Crossover | null;
}

export const wireTypes: readonly WireType[] = ["f32", "f16", "bf16", "int8"];

const KIB = 1024;
const rules: Rules<AllReduceBenchOptions> = {
  ranks: integer(2, 64),
  threadsPerRank: integer(1, 1024),
  group: integer(1, 65536),
  minBytes: integer(4, 256 * KIB * KIB),
  maxBytes: integer(4, 256 * KIB * KIB),
  rounds: integer(1, 1000),
  signal: abortSignal,
  onProgress: callback<(progress: Progress) => void>(),
};

/**
 * Measures AllReduce among ranks of this process.
 *
 * @throws OptionError; AbortedError `E_ABORTED`
 * @example
 * await benchAllReduce({ ranks: 2, maxBytes: 2 ** 20 });
 */
export async function benchAllReduce(options?: AllReduceBenchOptions): Promise<AllReduceCurve> {
  const checked = checkOptions("benchAllReduce", options, rules);
  const { ranks = 2, group = 128, minBytes = KIB, maxBytes = 16 * KIB * KIB, rounds = 5, signal } = checked;
  if (maxBytes < minBytes) invalid("maxBytes", `at least minBytes = ${minBytes}`, maxBytes);
  // Of each rank two messages on the wire, what it sums and what it began with; two sums beside.
  const most = Math.floor(process.availableMemory() / (4 * ranks + 2));
  if (maxBytes > most)
    invalid("maxBytes", `at most ${most} for ${ranks} ranks in the memory that is free here`, maxBytes);
  const threadsPerRank = checked.threadsPerRank ?? defaultThreads(ranks);
  const sizes: number[] = [];
  for (let bytes = minBytes; bytes <= maxBytes; bytes *= 2) sizes.push(Math.ceil(bytes / 4));
  const view = checked.onProgress ? undefined : cellProgress("measuring AllReduce");
  const report = checked.onProgress ?? ((progress: Progress): void => view?.update(progress));
  try {
    const setting = { ranks, threadsPerRank, group };
    const points: AllReducePoint[] = [];
    const total = 4 * sizes.reduce((sum, values) => sum + values, 0);
    let done = 0;
    for (const values of sizes) {
      points.push(...(await measurePoints(setting, [values], { rounds, mostMs: 0 }, signal)));
      report({ done: (done += 4 * values), total });
    }
    const curve = { ...setting, points, crossover: crossover(points) };
    const table = curveTable(curve);
    return drawable(curve, () => ({ "text/plain": textTable(table), "text/html": htmlTable(table) }));
  } finally {
    view?.end();
  }
}

/** What an AllReduce's time depends on, beside its size. */
export type AllReduceSetting = Pick<AllReduceCurve, "ranks" | "threadsPerRank" | "group">;

/** Of the sizes that are measured together. */
export type Effort = Pick<AllReduceTimerSpec, "rounds" | "mostMs">;

/** `sizes`: values a message. All sizes and wires take turns in each round. */
export async function measurePoints(
  setting: AllReduceSetting,
  sizes: readonly number[],
  effort: Effort,
  signal: AbortSignal | undefined,
): Promise<AllReducePoint[]> {
  const { job } = newJob();
  const wires = wireTypes.map((wireType) => ({ wireType }));
  const spec = { ...setting, ...effort, values: Int32Array.from(sizes), wires };
  const times = await cancellable(
    "measuring AllReduce",
    signal,
    () => addon().cancel(job),
    () => native(() => addon().measureAllReduce(spec, job)),
  );
  const rounds = times.length / (sizes.length * wires.length);
  return sizes.flatMap((values, size) =>
    wireTypes.map((wireType, wire) => {
      const at = (size * wires.length + wire) * rounds;
      return point(setting, values, wireType, times.slice(at, at + rounds).sort());
    }),
  );
}

/** `sorted`: nanoseconds of each round. */
function point({ ranks }: AllReduceSetting, values: number, wireType: WireType, sorted: Float64Array): AllReducePoint {
  const { length } = sorted;
  const ns = ((sorted[(length - 1) >> 1] ?? 0) + (sorted[length >> 1] ?? 0)) / 2;
  const bytes = 4 * values;
  const algbw = bytes / ns;
  return {
    wireType,
    values,
    bytes,
    microseconds: ns / 1000,
    bestMicroseconds: (sorted[0] ?? ns) / 1000,
    algbw,
    busbw: (algbw * 2 * (ranks - 1)) / ranks,
  };
}

function curveTable(curve: AllReduceCurve): Table {
  return {
    title: `AllReduce of ${curve.ranks} ranks in one process, ${curve.threadsPerRank} ${curve.threadsPerRank === 1 ? "thread" : "threads"} a rank`,
    columns: [
      { title: "size (f32), bytes", align: "right" },
      { title: "values", align: "right" },
      { title: "type" },
      { title: "time, µs", align: "right" },
      { title: "algbw, GB/s", align: "right" },
      { title: "busbw, GB/s", align: "right" },
    ],
    rows: curve.points.map(({ bytes, values, wireType, microseconds, algbw, busbw }) => [
      String(bytes),
      String(values),
      wireType,
      formatNumber(microseconds),
      formatNumber(algbw),
      formatNumber(busbw),
    ]),
    note: crossoverText(curve.crossover),
  };
}

function crossoverText(found: Crossover | null): string {
  if (!found) return "no narrower type beats f32 at these sizes";
  return `${found.wireType} beats f32 from ${found.fromBytes} bytes on: ${formatNumber(found.gain)}× at least, by the fastest rounds (the table has medians)`;
}
