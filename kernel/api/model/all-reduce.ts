/** The `allReduce` option, and what each of a model's AllReduces then carries on the wire. */

import { formatBytes, formatNumber } from "../../../profiler-ui/trace/format";
import { machineCurve } from "../bench/machine-profile";
import type { ComputeType, WireStep, WireType } from "../native";
import { integer, oneOf, shown, type Rule } from "../options";

/** Wire type of the AllReduce after out_proj; the one after x_proj stays f32, since dt, B and C need it (design 4). */
export type AllReduceOption =
  | "auto"
  | WireType
  | {
      readonly outProj: "auto" | WireType;
      /** Values that share a scale on an int8 wire, 128 unless given. */ readonly group?: number;
    };

export interface AllReduceChoice {
  readonly xProj: WireType;
  /** Of small messages, and of all where `wires` has one step. */
  readonly outProj: WireType;
  /** By the message's size, ascending from 0: of every sum of hidden values. */
  readonly wires: readonly WireStep[];
  /** Values that share a scale on an int8 wire. */
  readonly group: number;
  /** Why out_proj carries what it does. */
  readonly reason: string;
}

const word = oneOf("auto", "f32", "f16", "bf16", "int8");
const group = integer(1, 65536);

export const allReduceRule: Rule<AllReduceOption> = {
  expected: `${word.expected}, or { outProj: one of them, group: ${group.expected} }`,
  accepts: (value): value is AllReduceOption => {
    if (typeof value !== "object" || value === null) return word.accepts(value);
    const { outProj, group: size = 128, ...rest } = value as Record<string, unknown>;
    return word.accepts(outProj) && group.accepts(size) && Object.keys(rest).length === 0;
  },
};

/**
 * @example
 * chooseAllReduce("int8", 2); // { xProj: "f32", outProj: "int8", wires: […], group: 128, reason: 'asked for by allReduce "int8"' }
 */
export function chooseAllReduce(option: AllReduceOption, tensorParallel: number): AllReduceChoice {
  const { outProj, group: size = 128 } = typeof option === "string" ? { outProj: option } : option;
  const chosen = outProj === "auto" ? "f32" : outProj;
  return { ...fixed(chosen, size), reason: reasonFor(option, outProj, tensorParallel) };
}

function fixed(wireType: WireType, size: number): Omit<AllReduceChoice, "reason"> {
  return { xProj: "f32", outProj: wireType, wires: [{ fromBytes: 0, wireType }], group: size };
}

function reasonFor(option: AllReduceOption, outProj: "auto" | WireType, tensorParallel: number): string {
  if (tensorParallel === 1) return "one rank sends nothing";
  if (outProj !== "auto") return `asked for by allReduce ${shown(option)}`;
  return "auto: f32 arithmetic gets exact sums";
}

export interface Tuning {
  readonly tensorParallel: number;
  readonly threadsPerRank: number;
  readonly computeType: ComputeType;
  readonly signal?: AbortSignal;
}

/**
 * What "auto" takes: a narrower wire only from the size on where this machine was measured to sum faster with it, and none in
 * f32 arithmetic, which rounds nothing else that far.
 */
export async function tuneAllReduce(option: AllReduceOption, tuning: Tuning): Promise<AllReduceChoice> {
  const { tensorParallel: ranks, threadsPerRank, computeType, signal } = tuning;
  const choice = chooseAllReduce(option, ranks);
  const asked = typeof option === "string" ? option : option.outProj;
  if (asked !== "auto" || ranks === 1 || computeType === "f32") return choice;
  const { crossover, measured } = await machineCurve({ ranks, threadsPerRank, group: choice.group }, signal);
  const when = `measured here on ${measured.slice(0, 10)}`;
  if (!crossover) return { ...choice, reason: `auto: no narrower type sums faster, ${when}` };
  const { wireType, fromBytes, gain } = crossover;
  return {
    ...choice,
    wires: [...choice.wires, { fromBytes, wireType }],
    reason: `auto: ${wireType} sums ${formatNumber(gain)}× faster or more from ${formatBytes(fromBytes)} on, ${when}`,
  };
}

/** One word for names: the type on the wire, or that it goes by size. */
export function wireWord({ wires, outProj }: AllReduceChoice): string {
  return wires.length > 1 ? "auto" : outProj;
}

/** @example wireText([{ fromBytes: 0, wireType: "f32" }, { fromBytes: 1_000_000, wireType: "int8" }]); // "f32, int8 from 1.00 MB" */
export function wireText(wires: readonly WireStep[]): string {
  return wires
    .map(({ fromBytes, wireType }) => (fromBytes === 0 ? wireType : `${wireType} from ${formatBytes(fromBytes)}`))
    .join(", ");
}
