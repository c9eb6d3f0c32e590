/** config.json of a random model, with the keys of the published ones. */

import { attentionOffset, attentionPeriod, dtRankOf, innerOf, states, taps, type PublishedShape } from "./shapes";
import { mlpWidthOf } from "./tensors";

export type StoredType = "bf16" | "f16" | "f32";

const torchNames: Readonly<Record<StoredType, string>> = { bf16: "bfloat16", f16: "float16", f32: "float32" };

export function configOf(shape: PublishedShape, dtype: StoredType): object {
  return shape.family === "zamba" ? zambaConfig(shape, dtype) : mambaConfig(shape, dtype);
}

function mambaConfig(shape: PublishedShape, dtype: StoredType): object {
  const falcon = shape.family === "falcon_mamba";
  const endOfText = falcon ? 11 : 0;
  return {
    architectures: [falcon ? "FalconMambaForCausalLM" : "MambaForCausalLM"],
    bos_token_id: 0,
    conv_kernel: taps,
    eos_token_id: endOfText,
    // As published: Falcon-Mamba's expand contradicts its intermediate_size, which counts.
    expand: falcon ? 16 : 2,
    hidden_act: "silu",
    hidden_size: shape.hidden,
    initializer_range: 0.1,
    intermediate_size: innerOf(shape),
    layer_norm_epsilon: 1e-5,
    ...(falcon ? { mixer_rms_eps: 1e-6 } : {}),
    model_type: shape.family,
    num_hidden_layers: shape.layers,
    pad_token_id: endOfText,
    rescale_prenorm_residual: false,
    residual_in_fp32: true,
    state_size: states,
    tie_word_embeddings: !falcon,
    time_step_floor: 0.0001,
    time_step_init_scheme: "random",
    time_step_max: 0.1,
    time_step_min: 0.001,
    time_step_rank: dtRankOf(shape),
    time_step_scale: 1,
    torch_dtype: torchNames[dtype],
    use_bias: false,
    use_cache: true,
    use_conv_bias: true,
    vocab_size: shape.vocabulary,
  };
}

function zambaConfig(shape: Extract<PublishedShape, { family: "zamba" }>, dtype: StoredType): object {
  return {
    architectures: ["ZambaForCausalLM"],
    attention_dropout: 0,
    attention_hidden_size: innerOf(shape),
    attn_layer_offset: attentionOffset,
    attn_layer_period: attentionPeriod,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "gelu",
    hidden_mamba_act: "silu",
    hidden_size: shape.hidden,
    initializer_range: 0.02,
    intermediate_size: mlpWidthOf(shape),
    mamba_conv_bias: true,
    mamba_d_conv: taps,
    mamba_d_state: states,
    mamba_dt_rank: dtRankOf(shape),
    mamba_expand: 2,
    mamba_proj_bias: false,
    max_position_embeddings: 4096,
    model_type: "zamba",
    n_mamba_heads: shape.mambaHeads,
    num_attention_heads: shape.attentionHeads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.attentionHeads,
    num_logits_to_keep: 1,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    time_step_floor: 0.0001,
    time_step_max: 0.1,
    time_step_min: 0.001,
    torch_dtype: torchNames[dtype],
    use_cache: true,
    use_mamba_kernels: true,
    vocab_size: shape.vocabulary,
  };
}
