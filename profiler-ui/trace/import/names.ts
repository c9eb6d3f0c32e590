/** What the names of other tools' kernels say: kind of op, collective, wire type. */

import type { Kind } from "../kinds";

const KIND_PATTERNS: readonly (readonly [RegExp, Kind])[] = [
  [/nccl|all_?reduce|all_?gather|reduce_?scatter|broadcast|sendrecv/i, "collective"],
  [/scan|state_update|ssm/i, "scan"],
  [/conv/i, "conv"],
  [/attention|attn|fmha|softmax/i, "attention"],
  [/gemm|gemv|cutlass|cublas|matmul|xmma|wgmma|splitk|addmm|linear|in_proj|out_proj|x_proj|dt_proj|lm_head/i, "gemm"],
  [/norm/i, "norm"],
  [/sample|argmax|top_?k|multinomial/i, "sample"],
];

/** Kind of a kernel by its name; what only moves memory, elementwise work included, is a copy. */
export function kindOfKernel(name: string): Kind {
  return KIND_PATTERNS.find(([pattern]) => pattern.test(name))?.[1] ?? "copy";
}

/** A C++ function's name without return type, parameters and control characters, at most 120 characters. */
export function shortName(name: string): string {
  const clean = name
    .replaceAll(/[\u0000-\u001f\u007f]+/g, " ")
    .replaceAll("(anonymous namespace)::", "")
    .replace(/^void /, "")
    .replace(/\([^()]*(?:\([^()]*\)[^()]*)*\)(?: const)?(?: \[clone[^\]]*\])?$/, "")
    .trim();
  return clean.length > 120 ? `${clean.slice(0, 119)}…` : clean || "(no name)";
}

/** A collective as its kernel's name tells: NCCL writes operation, reduction, type, algorithm and protocol into it. */
export interface NamedCollective {
  readonly name: string;
  readonly wireType: string;
  readonly algorithm: string;
}

const OPERATIONS: readonly (readonly [RegExp, string])[] = [
  [/all_?reduce/i, "all_reduce"],
  [/all_?gather/i, "all_gather"],
  [/reduce_?scatter/i, "reduce_scatter"],
  [/broadcast/i, "broadcast"],
  [/all_?to_?all|sendrecv/i, "all_to_all"],
];

/** PyTorch's and NCCL's names of the types on a wire. */
const WIRE_TYPES: Readonly<Record<string, readonly [wire: string, bytes: number]>> = {
  float: ["f32", 4],
  f32: ["f32", 4],
  half: ["f16", 2],
  f16: ["f16", 2],
  bfloat16: ["bf16", 2],
  bf16: ["bf16", 2],
  byte: ["int8", 1],
  char: ["int8", 1],
  u8: ["int8", 1],
  i8: ["int8", 1],
};

export function wireOf(dtype: string): readonly [wire: string, bytes: number] | undefined {
  return WIRE_TYPES[dtype.toLowerCase()];
}

/** `all_reduce`, … of what is called "allreduce" or "ncclDevKernel_AllReduce_Sum_f16_RING_LL". */
export function operationOf(text: string): string | undefined {
  return OPERATIONS.find(([pattern]) => pattern.test(text))?.[1];
}

/** @example collectiveOf("ncclDevKernel_AllReduce_Sum_f16_RING_LL"); // all_reduce, f16, "ring LL" */
export function collectiveOf(kernel: string): NamedCollective | undefined {
  if (!/^nccl/i.test(kernel)) return undefined;
  const name = operationOf(kernel);
  if (name === undefined) return undefined;
  const [, wire = "", how = "", protocol = ""] =
    /_(f32|f16|bf16|u8|i8)(?:_(RING|TREE|NVLS|COLLNET)[A-Z]*_?(LL128|LL|SIMPLE)?)?/.exec(kernel) ?? [];
  return { name, wireType: wireOf(wire)?.[0] ?? "", algorithm: [how.toLowerCase(), protocol].join(" ").trim() };
}
