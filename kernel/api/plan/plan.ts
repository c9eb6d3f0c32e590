/** The shard plan: plain data, a row a tensor, that says which slice each rank holds. The engine follows it; you can print it. */

import type { Checkpoint, CheckpointTensor } from "../checkpoint/checkpoint";
import { CheckpointError } from "../errors";
import { familyOf } from "../families/index";
import type { ModelConfig } from "../families/family";
import type { AllReduceChoice } from "../model/all-reduce";
import type { RankSlice, TensorRole } from "../native";
import { sizeOf, sliceOfRank, type Split } from "./split";

export type StoredType = "F32" | "F16" | "BF16";

export interface PlannedTensor {
  /** Name in the checkpoint. */
  readonly name: string;
  /** Roles in the engine, one a part of a packed tensor. */
  readonly roles: readonly TensorRole[];
  /** -1 outside layers. */
  readonly layer: number;
  readonly shape: readonly number[];
  /** Shape as a matrix. */
  readonly rows: number;
  readonly columns: number;
  readonly dtype: StoredType;
  /** Index into `ShardPlan.files`. */
  readonly file: number;
  /** Of its first byte, from the file's start. */
  readonly byteOffset: number;
  readonly split: Split;
  /** What each rank holds. */
  readonly ranks: readonly RankSlice[];
}

/** How a model lies on its ranks. */
export interface ShardPlan {
  readonly model: string;
  readonly config: ModelConfig;
  readonly tensorParallel: number;
  readonly files: readonly string[];
  readonly tensors: readonly PlannedTensor[];
  /** What the AllReduces carry on the wire, and why. */
  readonly allReduce: AllReduceChoice;
  /** Parameters of the model, a tied head counted once. */
  readonly parameters: number;
  /** Tensors of the checkpoint that the model does not use. */
  readonly unused: readonly string[];
}

/**
 * Splits a checkpoint over `tensorParallel` ranks.
 *
 * @throws ShardError `E_TP_INDIVISIBLE`
 * @throws CheckpointError `E_MODEL_TYPE`, `E_CONFIG_VALUE`, `E_CONFIG_MISMATCH`, `E_TENSOR_MISSING`, `E_TENSOR_SHAPE`, `E_TENSOR_DTYPE`
 */
export function planShards(checkpoint: Checkpoint, tensorParallel: number, allReduce: AllReduceChoice): ShardPlan {
  const family = familyOf(checkpoint);
  const config = family.config(checkpoint);
  const uses = family.tensors(config, checkpoint);
  const stored = uses.map((use) => storedTensor(checkpoint, use.name, use.shape));
  family.checkRanks(config, tensorParallel);
  const tensors = uses.map((use, index): PlannedTensor => {
    const { tensor, dtype } = stored[index] ?? storedTensor(checkpoint, use.name, use.shape);
    const rows = use.matrixRows ?? use.shape[0] ?? 1;
    const columns = use.shape.reduce((product, size) => product * size, 1) / rows;
    const ranks = Array.from({ length: tensorParallel }, (_, rank) =>
      sliceOfRank(use.split, rows, columns, rank, tensorParallel),
    );
    return { ...use, rows, columns, dtype, file: tensor.file, byteOffset: tensor.byteOffset, ranks };
  });
  const used = new Map(tensors.map((tensor) => [tensor.name, tensor.rows * tensor.columns]));
  return {
    model: checkpoint.name,
    config,
    tensorParallel,
    files: checkpoint.files,
    tensors,
    allReduce,
    parameters: [...used.values()].reduce((sum, size) => sum + size, 0),
    unused: [...checkpoint.tensors.keys()].filter((name) => !used.has(name)),
  };
}

/** Parameters that one rank reads from memory of its own: all it holds but the embedding, which stays in the mapped file. */
export function parametersOfRank(plan: ShardPlan, rank: number): number {
  const held = plan.tensors.filter((tensor) => !tensor.roles.includes("embed"));
  return held.reduce((sum, { ranks }) => sum + sizeOf(ranks[rank] ?? { rows: [], columnBegin: 0, columnEnd: 0 }), 0);
}

function storedTensor(
  checkpoint: Checkpoint,
  name: string,
  shape: readonly number[],
): { tensor: CheckpointTensor; dtype: StoredType } {
  const tensor = checkpoint.tensors.get(name);
  if (!tensor) {
    throw new CheckpointError("E_TENSOR_MISSING", `${checkpoint.directory} has no tensor ${name}`, {
      directory: checkpoint.directory,
      tensor: name,
    });
  }
  const file = checkpoint.files[tensor.file];
  if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis])) {
    throw new CheckpointError(
      "E_TENSOR_SHAPE",
      `${file}: ${name} has shape [${tensor.shape.join(", ")}], config.json and the other tensors say [${shape.join(", ")}]`,
      { file, tensor: name, shape: tensor.shape, expected: shape },
    );
  }
  const { dtype } = tensor;
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
    throw new CheckpointError("E_TENSOR_DTYPE", `${file}: ${name} is stored as ${dtype}; F32, F16 and BF16 are read`, {
      file,
      tensor: name,
      dtype,
    });
  }
  return { tensor, dtype };
}
