/** Reads sizes from config.json, refusing what the engine cannot compute. */

import type { Checkpoint } from "../checkpoint/checkpoint";
import type { JsonObject } from "../checkpoint/json";
import { CheckpointError } from "../errors";
import { shown } from "../options";

/** @throws CheckpointError `E_CONFIG_VALUE` */
export function unsupported(checkpoint: Checkpoint, name: string, got: unknown, expected: string): never {
  throw new CheckpointError(
    "E_CONFIG_VALUE",
    `${checkpoint.directory}/config.json: ${name} must be ${expected}, got ${shown(got)}`,
    { name, got },
  );
}

export type SizeReader = (name: string, otherwise?: number) => number;

/** Reads positive integers of `json`, `otherwise` where it has none. */
export function sizeReader(checkpoint: Checkpoint, json: JsonObject): SizeReader {
  return (name, otherwise) => {
    const value = json[name] ?? otherwise;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31) return value;
    return unsupported(checkpoint, name, value, "an integer of at least 1");
  };
}

/** d = expand · h, rounded down. */
export function innerOf(checkpoint: Checkpoint, name: string, expand: unknown, hidden: number): number {
  const inner = Math.floor(Number(expand ?? 2) * hidden);
  return inner >= 1 && inner < 2 ** 31 ? inner : unsupported(checkpoint, name, expand, "a number of at least 1");
}

/** "auto", the default, is ceil(h / 16). */
export function dtRankOf(json: JsonObject, name: string, hidden: number, size: SizeReader): number {
  const value = json[name];
  return value == null || value === "auto" ? Math.ceil(hidden / 16) : size(name);
}

/** An epsilon of a norm. */
export function epsilonOf(checkpoint: Checkpoint, json: JsonObject, name: string, otherwise: number): number {
  const epsilon = json[name] ?? otherwise;
  return typeof epsilon === "number" && epsilon > 0 && epsilon < Infinity
    ? epsilon
    : unsupported(checkpoint, name, epsilon, "a number above 0");
}

/** Refuses activations other than the one the engine has. */
export function checkActivation(checkpoint: Checkpoint, json: JsonObject, name: string, known: string): void {
  const activation = json[name] ?? known;
  if (activation !== known) unsupported(checkpoint, name, activation, known);
}

/**
 * Rows of the embedding, which may be padded beyond vocab_size; 0 where it is missing, which the plan reports.
 *
 * @throws CheckpointError `E_CONFIG_MISMATCH`
 */
export function vocabularyOf(checkpoint: Checkpoint, embeddingName: string): number {
  const embedding = checkpoint.tensors.get(embeddingName);
  const vocabulary = embedding?.shape[0] ?? 0;
  const declared = checkpoint.config["vocab_size"];
  if (embedding && typeof declared === "number" && declared > vocabulary) {
    throw new CheckpointError(
      "E_CONFIG_MISMATCH",
      `${checkpoint.directory}/config.json: vocab_size is ${declared}, but ${embedding.name} has ${vocabulary} rows`,
      { vocabSize: declared, rows: vocabulary, tensor: embedding.name },
    );
  }
  return vocabulary;
}
