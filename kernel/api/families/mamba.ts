/**
 * Mamba (arXiv 2312.00752) as transformers stores it, and as state-spaces/mamba does: the same tensors but for
 * `backbone.embedding.weight`, and a config of d_model, n_layer and ssm_cfg.
 *
 * Optional parts are decided by the tensors present: transformers' config defaults name biases that no published
 * checkpoint has. intermediate_size, where given, wins over expand.
 */

import type { Checkpoint } from "../checkpoint/checkpoint";
import { isObject, type JsonObject } from "../checkpoint/json";
import { CheckpointError, ShardError } from "../errors";
import { shown } from "../options";
import type { Family, ModelConfig, TensorUse } from "./family";

export const mamba: Family = { modelType: "mamba", config, tensors, checkRanks };

function config(checkpoint: Checkpoint): ModelConfig {
  const json = checkpoint.config;
  const sizes = "hidden_size" in json ? transformersSizes(checkpoint, json) : originalSizes(checkpoint, json);
  const embedding = checkpoint.tensors.get(embeddingName(checkpoint));
  const vocabulary = embedding?.shape[0] ?? 0;
  const declared = json["vocab_size"];
  if (embedding && typeof declared === "number" && declared > vocabulary) {
    throw new CheckpointError(
      "E_CONFIG_MISMATCH",
      `${checkpoint.directory}/config.json: vocab_size is ${declared}, but ${embedding.name} has ${vocabulary} rows`,
      { vocabSize: declared, rows: vocabulary, tensor: embedding.name },
    );
  }
  return { family: "mamba", ...sizes, vocabulary, tiedHead: !checkpoint.tensors.has("lm_head.weight") };
}

type Sizes = Omit<ModelConfig, "family" | "vocabulary" | "tiedHead">;

function transformersSizes(checkpoint: Checkpoint, json: JsonObject): Sizes {
  const size = sizeReader(checkpoint, json);
  const activation = json["hidden_act"] ?? "silu";
  if (activation !== "silu") unsupported(checkpoint, "hidden_act", activation, "silu");
  const hidden = size("hidden_size");
  const epsilon = json["layer_norm_epsilon"] ?? 1e-5;
  if (typeof epsilon !== "number" || !(epsilon > 0))
    unsupported(checkpoint, "layer_norm_epsilon", epsilon, "a number above 0");
  return {
    hidden,
    layers: size("num_hidden_layers"),
    inner: json["intermediate_size"] == null ? innerOf(checkpoint, json["expand"], hidden) : size("intermediate_size"),
    states: size("state_size", 16),
    taps: size("conv_kernel", 4),
    dtRank: rankOf(json["time_step_rank"], hidden) ?? size("time_step_rank"),
    epsilon: Number(epsilon),
  };
}

function originalSizes(checkpoint: Checkpoint, json: JsonObject): Sizes {
  const ssm = isObject(json["ssm_cfg"]) ? json["ssm_cfg"] : {};
  const layer = ssm["layer"] ?? "Mamba1";
  if (layer !== "Mamba1") unsupported(checkpoint, "ssm_cfg.layer", layer, "Mamba1");
  if (json["rms_norm"] === false) unsupported(checkpoint, "rms_norm", false, "true");
  const attention = json["attn_layer_idx"];
  if (Array.isArray(attention) && attention.length > 0) unsupported(checkpoint, "attn_layer_idx", attention, "[]");
  const size = sizeReader(checkpoint, { ...json, ...ssm });
  const hidden = size("d_model");
  return {
    hidden,
    layers: size("n_layer"),
    inner: innerOf(checkpoint, ssm["expand"], hidden),
    states: size("d_state", 16),
    taps: size("d_conv", 4),
    dtRank: rankOf(ssm["dt_rank"], hidden) ?? size("dt_rank"),
    epsilon: 1e-5,
  };
}

function sizeReader(checkpoint: Checkpoint, json: JsonObject): (name: string, otherwise?: number) => number {
  return (name, otherwise) => {
    const value = json[name] ?? otherwise;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31) return value;
    return unsupported(checkpoint, name, value, "an integer of at least 1");
  };
}

function innerOf(checkpoint: Checkpoint, expand: unknown, hidden: number): number {
  const inner = Math.floor(Number(expand ?? 2) * hidden);
  return inner >= 1 && inner < 2 ** 31 ? inner : unsupported(checkpoint, "expand", expand, "a number of at least 1");
}

/** "auto", the default, is ceil(h / 16). */
function rankOf(value: unknown, hidden: number): number | undefined {
  return value == null || value === "auto" ? Math.ceil(hidden / 16) : undefined;
}

function unsupported(checkpoint: Checkpoint, name: string, got: unknown, expected: string): never {
  throw new CheckpointError(
    "E_CONFIG_VALUE",
    `${checkpoint.directory}/config.json: ${name} must be ${expected}, got ${shown(got)}`,
    {
      name,
      got,
    },
  );
}

function embeddingName(checkpoint: Checkpoint): string {
  const original = "backbone.embedding.weight";
  return checkpoint.tensors.has(original) ? original : "backbone.embeddings.weight";
}

function tensors(model: ModelConfig, checkpoint: Checkpoint): TensorUse[] {
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

function checkRanks({ inner }: ModelConfig, ranks: number): void {
  if (inner % ranks === 0) return;
  const divisors = Array.from({ length: Math.min(inner, 256) }, (_, i) => i + 1).filter((p) => inner % p === 0);
  const examples = divisors.length > 6 ? [...divisors.slice(0, 6), "…"] : divisors;
  throw new ShardError(
    "E_TP_INDIVISIBLE",
    `tensorParallel must divide d_inner = ${inner} (${examples.join(", ")}), got ${ranks}`,
    {
      tensorParallel: ranks,
      dInner: inner,
      valid: divisors,
    },
  );
}
