/**
 * Tensors of Mamba and Falcon-Mamba, which differ in config and mathematics but not in what they store.
 *
 * Optional parts are decided by the tensors present: transformers' config defaults name biases that no published
 * checkpoint has. state-spaces' own format differs by `backbone.embedding.weight` alone.
 */

import type { Checkpoint } from "../checkpoint/checkpoint";
import { ShardError } from "../errors";
import { validDegrees, type ModelConfig, type TensorUse } from "./family";

export function embeddingName(checkpoint: Checkpoint): string {
  const original = "backbone.embedding.weight";
  return checkpoint.tensors.has(original) ? original : "backbone.embeddings.weight";
}

export function tensors(model: ModelConfig, checkpoint: Checkpoint): TensorUse[] {
  const { hidden: h, inner: d, states: n, taps, dtRank: r, vocabulary } = model;
  const uses: TensorUse[] = [];
  const embedding = embeddingName(checkpoint);
  const whole = { kind: "replicated" } as const;
  const rows = { kind: "rows" } as const;
  const columns = { kind: "columns" } as const;
  const halves = { kind: "packedRows", parts: 2 } as const;
  const add = (
    name: string,
    roles: TensorUse["roles"],
    layer: number,
    shape: readonly number[],
    split: TensorUse["split"],
  ): void => {
    uses.push({ name, roles, layer, shape, split });
  };
  // Each rank looks tokens up in the mapped file, so a replicated embedding takes no memory of a rank.
  add(embedding, ["embed"], -1, [vocabulary, h], whole);
  for (let layer = 0; layer < model.layers; layer++) {
    const prefix = `backbone.layers.${layer}`;
    const mixer = `${prefix}.mixer`;
    const has = (name: string): boolean => checkpoint.tensors.has(`${mixer}.${name}`);
    add(`${prefix}.norm.weight`, ["norm"], layer, [h], whole);
    add(`${mixer}.in_proj.weight`, ["in_proj.x", "in_proj.z"], layer, [2 * d, h], halves);
    if (has("in_proj.bias")) add(`${mixer}.in_proj.bias`, ["in_proj.x.bias", "in_proj.z.bias"], layer, [2 * d], halves);
    add(`${mixer}.conv1d.weight`, ["conv1d"], layer, [d, 1, taps], rows);
    if (has("conv1d.bias")) add(`${mixer}.conv1d.bias`, ["conv1d.bias"], layer, [d], rows);
    add(`${mixer}.x_proj.weight`, ["x_proj"], layer, [r + 2 * n, d], columns);
    add(`${mixer}.dt_proj.weight`, ["dt_proj"], layer, [d, r], rows);
    add(`${mixer}.dt_proj.bias`, ["dt_proj.bias"], layer, [d], rows);
    add(`${mixer}.A_log`, ["A_log"], layer, [d, n], rows);
    add(`${mixer}.D`, ["D"], layer, [d], rows);
    add(`${mixer}.out_proj.weight`, ["out_proj"], layer, [h, d], columns);
    // Added once to the sum over ranks.
    if (has("out_proj.bias")) add(`${mixer}.out_proj.bias`, ["out_proj.bias"], layer, [h], { kind: "first" });
  }
  add("backbone.norm_f.weight", ["norm_f"], -1, [h], whole);
  add(model.tiedHead ? embedding : "lm_head.weight", ["lm_head"], -1, [vocabulary, h], { kind: "unevenRows" });
  return uses;
}

export function checkRanks({ inner }: ModelConfig, ranks: number): void {
  if (inner % ranks === 0) return;
  const { valid, examples } = validDegrees((degree) => inner % degree === 0);
  throw new ShardError(
    "E_TP_INDIVISIBLE",
    `tensorParallel must divide d_inner = ${inner} (${examples}), got ${ranks}`,
    { tensorParallel: ranks, dInner: inner, valid },
  );
}
