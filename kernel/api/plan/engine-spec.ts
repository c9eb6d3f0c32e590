/** The plan in the addon's terms: one entry a role, so a packed tensor becomes one entry a part. */

import type { EngineSpec, EngineTensor } from "../native";
import type { ShardPlan } from "./plan";

/** What a load decides beyond the plan. */
export type EngineSettings = Pick<
  EngineSpec,
  | "threadsPerRank"
  | "device"
  | "gpus"
  | "gpuLink"
  | "computeType"
  | "wires"
  | "quantisationGroup"
  | "overlap"
  | "contextLength"
  | "maxTokens"
  | "slots"
  | "cacheBytes"
  | "cacheInterval"
  | "verifyCollectives"
  | "collectiveTimeoutMs"
>;

export function engineSpec(plan: ShardPlan, settings: EngineSettings): EngineSpec {
  const { hybrid, hidden, inner, mixerHeads, states, taps, dtRank, layers, vocabulary } = plan.config;
  const { epsilon, ssmEpsilon } = plan.config;
  return {
    ...{ hidden, inner, mixerHeads, states, taps, dtRank, layers, vocabulary, epsilon, ssmEpsilon },
    hybridLayers: hybrid?.layers.length ?? 0,
    kvHeads: hybrid?.kvHeads ?? 0,
    headDim: hybrid?.headDim ?? 0,
    ...settings,
    files: plan.files,
    ranks: plan.tensorParallel,
    tensors: plan.tensors.flatMap((tensor) =>
      tensor.roles.map((role, part): EngineTensor => ({
        role,
        layer: tensor.layer,
        file: tensor.file,
        byteOffset: tensor.byteOffset,
        dtype: tensor.dtype,
        rows: tensor.rows,
        columns: tensor.columns,
        // A packed tensor's rows are one run a part, in the order of its roles.
        ranks:
          tensor.roles.length === 1
            ? tensor.ranks
            : tensor.ranks.map((slice) => ({ ...slice, rows: slice.rows.slice(part, part + 1) })),
      })),
    ),
  };
}
