/** What a model family tells the planner: its sizes, and for each tensor it needs where it stands and how it splits. */

import type { Checkpoint } from "../checkpoint/checkpoint";
import type { EngineSpec, TensorRole } from "../native";
import type { Split } from "../plan/split";

/** Sizes of a model, by the field's names (design 5). */
export interface ModelConfig {
  readonly family: EngineSpec["family"];
  readonly layers: number;
  readonly hidden: number;
  readonly inner: number;
  readonly states: number;
  /** Width of the convolution. */
  readonly taps: number;
  readonly dtRank: number;
  /** Rows of the embedding; the config's vocab_size may be smaller. */
  readonly vocabulary: number;
  /** Of the RMS norms. */
  readonly epsilon: number;
  /** The head is the embedding. */
  readonly tiedHead: boolean;
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
  readonly split: Split;
}

export interface Family {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** @throws CheckpointError when the config lacks a size or contradicts the tensors. */
  config(checkpoint: Checkpoint): ModelConfig;
  tensors(config: ModelConfig, checkpoint: Checkpoint): TensorUse[];
  /** @throws ShardError `E_TP_INDIVISIBLE` naming the degrees that work. */
  checkRanks(config: ModelConfig, ranks: number): void;
}
