/**
 * Mamba (arXiv 2312.00752) as transformers stores it, and as state-spaces/mamba does: a config of d_model, n_layer and
 * ssm_cfg. intermediate_size, where given, wins over expand.
 */

import type { Checkpoint } from "../checkpoint/checkpoint";
import { isObject, type JsonObject } from "../checkpoint/json";
import { checkRanks, embeddingName, tensors } from "./backbone";
import { checkActivation, dtRankOf, epsilonOf, innerOf, sizeReader, unsupported, vocabularyOf } from "./config";
import type { Family, ModelConfig } from "./family";

export const mamba: Family = { modelType: "mamba", config, tensors, checkRanks };

function config(checkpoint: Checkpoint): ModelConfig {
  const json = checkpoint.config;
  const sizes = "hidden_size" in json ? transformersSizes(checkpoint, json) : originalSizes(checkpoint, json);
  return {
    family: "mamba",
    ...sizes,
    mixerHeads: 1,
    ssmEpsilon: 0,
    vocabulary: vocabularyOf(checkpoint, embeddingName(checkpoint)),
    tiedHead: !checkpoint.tensors.has("lm_head.weight"),
  };
}

type Sizes = Pick<ModelConfig, "hidden" | "layers" | "inner" | "states" | "taps" | "dtRank" | "epsilon">;

/** Sizes by transformers' names, which Falcon-Mamba shares. */
export function transformersSizes(checkpoint: Checkpoint, json: JsonObject): Sizes {
  const size = sizeReader(checkpoint, json);
  checkActivation(checkpoint, json, "hidden_act", "silu");
  const hidden = size("hidden_size");
  const inner =
    json["intermediate_size"] == null
      ? innerOf(checkpoint, "expand", json["expand"], hidden)
      : size("intermediate_size");
  return {
    hidden,
    inner,
    layers: size("num_hidden_layers"),
    states: size("state_size", 16),
    taps: size("conv_kernel", 4),
    dtRank: dtRankOf(json, "time_step_rank", hidden, size),
    epsilon: epsilonOf(checkpoint, json, "layer_norm_epsilon", 1e-5),
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
    inner: innerOf(checkpoint, "ssm_cfg.expand", ssm["expand"], hidden),
    states: size("d_state", 16),
    taps: size("d_conv", 4),
    dtRank: dtRankOf(ssm, "dt_rank", hidden, size),
    epsilon: 1e-5,
  };
}
