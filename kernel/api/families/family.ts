/** What a model family tells the planner: its sizes, and for each tensor it needs where it stands and how it splits. */

import type { Checkpoint } from "../checkpoint/checkpoint";
import type { TensorRole } from "../native";
import type { Split } from "../plan/split";

/** Sizes of a model, by the field's names (design 5). */
export interface ModelConfig {
  /** `model_type` in config.json. */
  readonly family: "mamba" | "falcon_mamba" | "zamba";
  readonly layers: number;
  readonly hidden: number;
  readonly inner: number;
  /** Heads of the mixer, each with an x_proj and dt_proj of its own: 1 but in Zamba. */
  readonly mixerHeads: number;
  readonly states: number;
  /** Width of the convolution. */
  readonly taps: number;
  readonly dtRank: number;
  /** Rows of the embedding; the config's vocab_size may be smaller. */
  readonly vocabulary: number;
  /** Of the RMS norms. */
  readonly epsilon: number;
  /** Of the norms on dt, B and C, 0 where there are none. */
  readonly ssmEpsilon: number;
  /** The head is the embedding. */
  readonly tiedHead: boolean;
  /** Zamba's layers with attention and MLP. */
  readonly hybrid?: HybridConfig;
}

export interface HybridConfig {
  /** Their indices, ascending. */
  readonly layers: readonly number[];
  readonly heads: number;
  /** Heads of keys and values, each shared by heads / kvHeads of the queries. */
  readonly kvHeads: number;
  readonly headDim: number;
  /** Inner size of the MLP. */
  readonly mlp: number;
}

/** One use of a stored tensor by the model. */
export interface TensorUse {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Roles in the engine: one, or one a part of a packed tensor, in the order of the parts. */
  readonly roles: readonly TensorRole[];
  /** -1 outside layers. */
  readonly layer: number;
  readonly shape: readonly number[];
  /** Rows of the matrix that the tensor is, the columns being the rest; its first size unless given. */
  readonly matrixRows?: number;
  readonly split: Split;
}

export interface Family {
  readonly modelType: ModelConfig["family"];
  /** @throws CheckpointError when the config lacks a size or contradicts the tensors. */
  config(checkpoint: Checkpoint): ModelConfig;
  tensors(config: ModelConfig, checkpoint: Checkpoint): TensorUse[];
  /** @throws ShardError `E_TP_INDIVISIBLE` naming the degrees that work. */
  checkRanks(config: ModelConfig, ranks: number): void;
}

/** Degrees of tensor parallelism up to 256 that work, and a few of them as text. */
export function validDegrees(works: (degree: number) => boolean): { valid: number[]; examples: string } {
  const valid = Array.from({ length: 256 }, (_, i) => i + 1).filter(works);
  return { valid, examples: (valid.length > 6 ? [...valid.slice(0, 6), "…"] : valid).join(", ") };
}
