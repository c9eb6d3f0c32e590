/** The `allReduce` option, and what each of a model's AllReduces then carries on the wire. */

import type { WireType } from "../native";
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
  readonly outProj: WireType;
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
 * chooseAllReduce("int8", 2); // { xProj: "f32", outProj: "int8", group: 128, reason: 'asked for by allReduce "int8"' }
 */
export function chooseAllReduce(option: AllReduceOption, tensorParallel: number): AllReduceChoice {
  const { outProj, group: size = 128 } = typeof option === "string" ? { outProj: option } : option;
  const chosen = outProj === "auto" ? "f32" : outProj;
  return { xProj: "f32", outProj: chosen, group: size, reason: reasonFor(option, outProj, tensorParallel) };
}

function reasonFor(option: AllReduceOption, outProj: "auto" | WireType, tensorParallel: number): string {
  if (tensorParallel === 1) return "one rank sends nothing";
  if (outProj !== "auto") return `asked for by allReduce ${shown(option)}`;
  return "auto: ranks of one process share memory, where f32 needs no codec and rounds nothing";
}
