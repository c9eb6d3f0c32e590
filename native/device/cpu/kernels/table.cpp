// This instruction set's op table.
#include "device/cpu/kernels/ops.h"
#include "device/cpu/kernels/shape.h"

#define STATELINE_TEXT_OF(name) #name
#define STATELINE_TEXT(name) STATELINE_TEXT_OF(name)

namespace stateline::cpu::STATELINE_ISA {

const Kernels table = {
    .isa = STATELINE_TEXT(STATELINE_ISA),
    .panel = kPanel,
    .tile = {kTileF32, kTileBf16, kTileInt8},
    .activation_words = {1, kActivationWordsBf16, kActivationWordsInt8},
    .activation_header = kActivationHeader,
    .interleave_weights = {{weights_f32_from_f32, weights_bf16_from_f32, weights_int8_from_f32},
                           {weights_f32_from_f16, weights_bf16_from_f16, weights_int8_from_f16},
                           {weights_f32_from_bf16, weights_bf16_from_bf16, weights_int8_from_bf16}},
    .interleave_activations = {weights_f32_from_f32, activations_bf16, activations_int8},
    .product = {product_f32, product_bf16, product_int8},
    .block_words = {kBlockWordsF32, kBlockWordsBf16, kBlockWordsInt8},
#if STATELINE_AVX512
    .widen = {nullptr, nullptr, nullptr},
    .block_product = {product_f32, product_bf16, product_int8},
#else
    .widen = {nullptr, widen_bf16, nullptr},
    .block_product = {product_f32, product_f32, product_int8},
#endif
    .channel_block = kChannelBlock,
    .conv1d = conv1d,
    .scan = scan,
    .norm = norm,
    .add = add,
    .first_above = first_above,
    .gather_between = gather_between,
    .weigh = weigh,
    .attention = attention,
    .gelu_gate = gelu_gate,
    .encode_f16 = encode_f16,
    .encode_bf16 = encode_bf16,
    .encode_int8 = encode_int8,
    .sum_f32 = sum_f32,
    .sum_f16 = sum_f16,
    .sum_bf16 = sum_bf16,
    .sum_int8 = sum_int8,
    .exp2 = exp2_values,
    .softplus = softplus_values,
    .silu = silu_values,
    .gelu = gelu_values,
    .read = read,
    .multiply_add = {multiply_add_f32, multiply_add_bf16, multiply_add_int8},
    .update_states = update_states,
};

}  // namespace stateline::cpu::STATELINE_ISA
