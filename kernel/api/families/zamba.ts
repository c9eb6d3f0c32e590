/**
 * Zamba v1 (arXiv 2405.16712): Mamba layers with several heads, and one block of attention and MLP that the hybrid
 * layers share. Names as transformers has them, and as files had them before Zamba was part of it.
 */

import type { Checkpoint } from "../checkpoint/checkpoint";
import type { JsonObject } from "../checkpoint/json";
import { ShardError } from "../errors";
import type { TensorRole } from "../native";
import type { Split } from "../plan/split";
import { checkActivation, dtRankOf, epsilonOf, innerOf, sizeReader, unsupported, vocabularyOf } from "./config";
import { validDegrees, type Family, type HybridConfig, type ModelConfig, type TensorUse } from "./family";

export const zamba: Family = { modelType: "zamba", config, tensors, checkRanks };

const embedding = "model.embed_tokens.weight";

function config(checkpoint: Checkpoint): ModelConfig {
  const json = checkpoint.config;
  const size = sizeReader(checkpoint, json);
  checkActivation(checkpoint, json, "hidden_act", "gelu");
  checkActivation(checkpoint, json, "hidden_mamba_act", "silu");
  const hidden = size("hidden_size");
  const layers = size("num_hidden_layers");
  const hybridLayers = hybridLayersOf(checkpoint, json, layers);
  const inner = innerOf(checkpoint, "mamba_expand", json["mamba_expand"], hidden);
  const mixerHeads = size("n_mamba_heads", 2);
  if (inner % mixerHeads !== 0) unsupported(checkpoint, "n_mamba_heads", mixerHeads, `a divisor of d_inner = ${inner}`);
  return {
    family: "zamba",
    hidden,
    layers,
    inner,
    mixerHeads,
    states: size("mamba_d_state", 16),
    taps: size("mamba_d_conv", 4),
    dtRank: dtRankOf(json, "mamba_dt_rank", hidden, size),
    ssmEpsilon: 0,
    epsilon: epsilonOf(checkpoint, json, "rms_norm_eps", 1e-5),
    vocabulary: vocabularyOf(checkpoint, embedding),
    tiedHead: !checkpoint.tensors.has("lm_head.weight"),
    ...(hybridLayers.length > 0 && { hybrid: hybridOf(checkpoint, json, hybridLayers, hidden) }),
  };
}

function hybridOf(checkpoint: Checkpoint, json: JsonObject, layers: number[], hidden: number): HybridConfig {
  const size = sizeReader(checkpoint, json);
  const heads = size("num_attention_heads", 16);
  if ((2 * hidden) % heads !== 0)
    unsupported(checkpoint, "num_attention_heads", heads, `a divisor of 2 × hidden_size = ${2 * hidden}`);
  const headDim = size("attention_head_dim", (2 * hidden) / heads);
  // A config without num_key_value_heads has meant different numbers in different versions: the tensor knows.
  const stored = checkpoint.tensors.get(blockTensor(checkpoint, layers, layers[0] ?? 0, "self_attn.k_proj.weight"));
  const kvHeads = size("num_key_value_heads", stored ? Math.floor((stored.shape[0] ?? 0) / headDim) : heads);
  if (heads % kvHeads !== 0)
    unsupported(checkpoint, "num_key_value_heads", kvHeads, `a divisor of num_attention_heads = ${heads}`);
  return { layers, heads, kvHeads, headDim, mlp: size("intermediate_size", 4 * hidden) };
}

/** Layers 0 and 1 are plain, 2 is hybrid, then the period counts from 3; a list, where there is one, decides. */
function hybridLayersOf(checkpoint: Checkpoint, json: JsonObject, layers: number): number[] {
  const indices = Array.from({ length: layers }, (_, layer) => layer);
  const types = json["layers_block_type"];
  if (types == null) {
    const size = sizeReader(checkpoint, json);
    const period = size("attn_layer_period", 6);
    const offset = json["attn_layer_offset"] ?? 4;
    return indices.filter((layer) => layer === 2 || (layer >= 3 && (layer - 3) % period === offset));
  }
  if (!Array.isArray(types) || types.length !== layers)
    unsupported(checkpoint, "layers_block_type", types, `a list of ${layers} types`);
  return indices.filter((layer) => {
    const type: unknown = types[layer];
    if (type === "hybrid" || type === "attention+mamba") return true;
    if (type === "mamba" || type === "linear_attention") return false;
    return unsupported(checkpoint, `layers_block_type[${layer}]`, type, "mamba, linear_attention or hybrid");
  });
}

/** Names of before the merge: all Mamba layers in one list, the linears in another, one shared block. */
const isOld = (checkpoint: Checkpoint): boolean =>
  checkpoint.tensors.has("model.mamba_layers.0.input_layernorm.weight");

/** Where a hybrid layer's shared tensor stands: in its own place if it is there, else in any other hybrid layer's. */
function blockTensor(checkpoint: Checkpoint, hybrids: readonly number[], layer: number, name: string): string {
  if (isOld(checkpoint)) return `model.block.${name}`;
  const at = (index: number): string => `model.layers.${index}.shared_transf.${name}`;
  const found = [layer, ...hybrids].find((index) => checkpoint.tensors.has(at(index)));
  return at(found ?? layer);
}

function tensors(model: ModelConfig, checkpoint: Checkpoint): TensorUse[] {
  const { hidden: h, vocabulary } = model;
  const old = isOld(checkpoint);
  const hybrids = model.hybrid?.layers ?? [];
  const whole = { kind: "replicated" } as const;
  const uses: TensorUse[] = [{ name: embedding, roles: ["embed"], layer: -1, shape: [vocabulary, h], split: whole }];
  for (let layer = 0; layer < model.layers; layer++) {
    const ordinal = hybrids.indexOf(layer);
    const plain = old ? `model.mamba_layers.${layer}` : `model.layers.${layer}`;
    uses.push(...mixerTensors(model, checkpoint, layer, ordinal >= 0 && !old ? `${plain}.mamba_decoder` : plain));
    if (ordinal < 0 || !model.hybrid) continue;
    const linear = old ? `model.linear_layers.${ordinal}.weight` : `model.layers.${layer}.linear.weight`;
    uses.push({ name: linear, roles: ["hybrid_linear"], layer, shape: [h, h], split: whole });
    if (ordinal === 0 || hasOwnBlock(checkpoint, layer))
      uses.push(...blockTensors(model.hybrid, h, layer, (name) => blockTensor(checkpoint, hybrids, layer, name)));
  }
  uses.push({ name: "model.final_layernorm.weight", roles: ["norm_f"], layer: -1, shape: [h], split: whole });
  const head = model.tiedHead ? embedding : "lm_head.weight";
  uses.push({ name: head, roles: ["lm_head"], layer: -1, shape: [vocabulary, h], split: { kind: "unevenRows" } });
  return uses;
}

/** Where transformers ties nothing it reads a block of every hybrid layer; the engine keeps one until the next. */
function hasOwnBlock({ config: json, tensors: stored }: Checkpoint, layer: number): boolean {
  return (
    json["tie_word_embeddings"] === false && stored.has(`model.layers.${layer}.shared_transf.self_attn.q_proj.weight`)
  );
}

function mixerTensors(model: ModelConfig, checkpoint: Checkpoint, layer: number, prefix: string): TensorUse[] {
  const { hidden: h, inner: d, states: n, taps, dtRank: r, mixerHeads: heads } = model;
  const mixer = `${prefix}.mamba`;
  const rows = { kind: "rows" } as const;
  const pairs = { kind: "interleavedRows", parts: 2 } as const;
  const uses: TensorUse[] = [];
  const add = (
    name: string,
    roles: readonly TensorRole[],
    shape: readonly number[],
    split: Split,
    matrixRows?: number,
  ): void => {
    uses.push({ name, roles, layer, shape, split, ...(matrixRows && { matrixRows }) });
  };
  const has = (name: string): boolean => checkpoint.tensors.has(`${mixer}.${name}`);
  add(`${prefix}.input_layernorm.weight`, ["norm"], [h], { kind: "replicated" });
  add(`${mixer}.in_proj.weight`, ["in_proj.x", "in_proj.z"], [2 * d, h], pairs);
  if (has("in_proj.bias")) add(`${mixer}.in_proj.bias`, ["in_proj.x.bias", "in_proj.z.bias"], [2 * d], pairs);
  add(`${mixer}.conv1d.weight`, ["conv1d"], [d, 1, taps], rows);
  if (has("conv1d.bias")) add(`${mixer}.conv1d.bias`, ["conv1d.bias"], [d], rows);
  const parameters = r + 2 * n;
  add(
    `${mixer}.x_proj_weight`,
    ["x_proj"],
    [heads, parameters, d / heads],
    { kind: "headColumns", heads },
    heads * parameters,
  );
  add(`${mixer}.dt_proj_weight`, ["dt_proj"], [heads, d / heads, r], rows, d);
  add(`${mixer}.dt_proj_bias`, ["dt_proj.bias"], [heads, d / heads], rows, d);
  add(`${mixer}.A_log`, ["A_log"], [heads, d / heads, n], rows, d);
  add(`${mixer}.D`, ["D"], [heads, d / heads], rows, d);
  add(`${mixer}.out_proj.weight`, ["out_proj"], [h, d], { kind: "columns" });
  if (has("out_proj.bias")) add(`${mixer}.out_proj.bias`, ["out_proj.bias"], [h], { kind: "first" });
  return uses;
}

function blockTensors(
  { heads, kvHeads, headDim, mlp }: HybridConfig,
  h: number,
  layer: number,
  named: (name: string) => string,
): TensorUse[] {
  const rows = { kind: "rows" } as const;
  const columns = { kind: "columns" } as const;
  const whole = { kind: "replicated" } as const;
  const keys = { kind: "headRows", heads: kvHeads } as const;
  const list: readonly (readonly [string, TensorRole, readonly number[], Split])[] = [
    ["input_layernorm", "attention_norm", [2 * h], whole],
    ["self_attn.q_proj", "q_proj", [heads * headDim, 2 * h], rows],
    ["self_attn.k_proj", "k_proj", [kvHeads * headDim, 2 * h], keys],
    ["self_attn.v_proj", "v_proj", [kvHeads * headDim, 2 * h], keys],
    ["self_attn.o_proj", "o_proj", [h, heads * headDim], columns],
    ["pre_ff_layernorm", "mlp.norm", [h], whole],
    ["feed_forward.gate_proj", "mlp.gate", [mlp, h], rows],
    ["feed_forward.up_proj", "mlp.up", [mlp, h], rows],
    ["feed_forward.down_proj", "mlp.down", [h, mlp], columns],
  ];
  return list.map(([name, role, shape, split]) => ({
    name: named(`${name}.weight`),
    roles: [role],
    layer,
    shape,
    split,
  }));
}

/** Key/value heads fewer than the ranks are held by several. */
function checkRanks({ inner, mixerHeads, hybrid }: ModelConfig, ranks: number): void {
  const obstacle = (degree: number): string | undefined => {
    if (mixerHeads % degree !== 0 && (degree % mixerHeads !== 0 || inner % degree !== 0))
      return `divide n_mamba_heads = ${mixerHeads}, or be a multiple of it that divides d_inner = ${inner}`;
    if (!hybrid) return undefined;
    if (hybrid.heads % degree !== 0) return `divide num_attention_heads = ${hybrid.heads}`;
    if (hybrid.kvHeads % degree !== 0 && degree % hybrid.kvHeads !== 0)
      return `divide num_key_value_heads = ${hybrid.kvHeads}, or be a multiple of it`;
    if (hybrid.mlp % degree !== 0) return `divide intermediate_size = ${hybrid.mlp}`;
    return undefined;
  };
  const must = obstacle(ranks);
  if (must === undefined) return;
  const { valid, examples } = validDegrees((degree) => obstacle(degree) === undefined);
  throw new ShardError("E_TP_INDIVISIBLE", `tensorParallel must ${must}: ${examples} work, got ${ranks}`, {
    tensorParallel: ranks,
    valid,
  });
}
