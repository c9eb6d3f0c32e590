/** Ops of recorded steps beside what the machine could do at best: the same bytes read, the same values multiplied. */

import { pick } from "../../../profiler-ui/trace/columns";
import type { EventColumns } from "../../../profiler-ui/trace/events";
import { median } from "../../../profiler-ui/trace/quantiles";
import { summarise } from "../../../profiler-ui/trace/summary";
import type { CpuComputeType, Floors } from "../native";

/** Steps of one kind: their phase, and how many sequences they read. */
export interface Workload {
  readonly name: string;
  readonly phase: "prefill" | "decode";
  readonly sequences: number;
}

/** All spans of one op in one step, a mean over the ranks. */
export interface OpSample {
  readonly op: string;
  readonly kind: string;
  readonly timeNs: number;
  /** Of the whole step. */
  readonly stepNs: number;
  /** All ranks together. */
  readonly bytes: number;
  readonly flops: number;
  readonly tokens: number;
}

/** One op of one workload; times are of one step. */
export interface OpTime {
  readonly workload: string;
  readonly op: string;
  readonly timeNs: number;
  /** The whole step that the op is part of. */
  readonly stepNs: number;
  /** Of all steps' time. */
  readonly share: number;
  /** The longer of reading its bytes from memory and of its arithmetic; 0 where it does neither. */
  readonly floorNs: number;
  readonly bound: "memory" | "arithmetic";
  /** `floorNs` over `timeNs`; above 1 where a cache holds what it reads. */
  readonly reached: number;
}

/** What the steps of `workload` did, op by op. */
export function opSamples({ phase, sequences }: Workload, events: EventColumns): OpSample[] {
  const steps = new Map<number, number[]>();
  for (let i = 0; i < events.count; i++) {
    if (events.phase.texts[events.phase.codes[i] ?? 0] !== phase || events.sequences[i] !== sequences) continue;
    const step = events.step[i] ?? -1;
    const index = steps.get(step);
    if (index) index.push(i);
    else steps.set(step, [i]);
  }
  return [...steps.values()].flatMap((index) => {
    const { ops, ranks } = summarise(pick(events, Uint32Array.from(index)));
    const tokens = events.tokens[index[0] ?? 0] ?? 0;
    const stepNs = ranks.reduce((sum, rank) => sum + rank.stepNs, 0) / ranks.length;
    return ops
      .filter(({ nested, totalNs }) => !nested && totalNs > 0)
      .map(({ name, kind, totalNs, bytes, flops }) => {
        return { op: name, kind, timeNs: totalNs / ranks.length, stepNs, bytes, flops, tokens };
      });
  });
}

/**
 * Medians over the steps, largest first. Matrix products count against the floor of `computeType`, scans against that of
 * a scan of `statesPerToken`, everything else against f32's.
 */
export function opTimes(
  workload: string,
  samples: readonly OpSample[],
  { floors, computeType, statesPerToken }: { floors: Floors; computeType: CpuComputeType; statesPerToken: number },
): OpTime[] {
  return [...new Set(samples.map(({ op }) => op))]
    .map((op): OpTime => {
      const own = samples.filter((sample) => sample.op === op);
      const timeNs = median(own.map((sample) => sample.timeNs));
      const memoryNs = (1e9 * median(own.map(({ bytes }) => bytes))) / floors.readBytesPerSecond;
      const arithmetic = own.map(({ kind, flops, tokens }) =>
        kind === "scan"
          ? (tokens * statesPerToken) / floors.statesPerSecond
          : flops / floors.flopsPerSecond[kind === "gemm" ? computeType : "f32"],
      );
      const arithmeticNs = 1e9 * median(arithmetic);
      const floorNs = Math.max(memoryNs, arithmeticNs);
      return {
        workload,
        op,
        timeNs,
        stepNs: median(own.map((sample) => sample.stepNs)),
        share: own.reduce((sum, sample) => sum + sample.timeNs, 0) / own.reduce((sum, { stepNs }) => sum + stepNs, 0),
        floorNs,
        bound: memoryNs >= arithmeticNs ? "memory" : "arithmetic",
        reached: floorNs / timeNs,
      };
    })
    .sort((a, b) => b.timeNs - a.timeNs);
}
