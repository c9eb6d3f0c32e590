// Sizes the kernels are built around.
#pragma once

#include "device/cpu/kernels.h"
#include "device/cpu/kernels/simd.h"

namespace stateline::cpu::STATELINE_ISA {

constexpr int64_t kPanelVectors = 2;
constexpr int64_t kPanel = kPanelVectors * kLanes;

// Rows of an activation tile: two accumulators a row, two weights and a broadcast fill the register file.
#if STATELINE_AVX512
constexpr int64_t kTileF32 = 14;
#else
constexpr int64_t kTileF32 = 6;
#endif

#if defined(STATELINE_ISA_avx512bf16)
constexpr int64_t kTileBf16 = 14;
constexpr int64_t kActivationWordsBf16 = 1;  // a pair of bf16 for each pair of weights
#elif STATELINE_AVX512
constexpr int64_t kTileBf16 = 12;            // leaves registers for the widened halves
constexpr int64_t kActivationWordsBf16 = 2;  // two rounded f32 for each pair of weights
#else
constexpr int64_t kTileBf16 = 6;
constexpr int64_t kActivationWordsBf16 = 2;
#endif

constexpr int64_t kTileInt8 = kTileBf16;
#if STATELINE_VNNI
constexpr int64_t kActivationWordsInt8 = 1;  // four bytes for four weights
constexpr int64_t kActivationHeader = 2;     // a scale, and what undoes the weights' offset
#else
constexpr int64_t kActivationWordsInt8 = 2;  // four values of 16 bits
constexpr int64_t kActivationHeader = 1;
#endif

// Words of a weight row in a block of a panel. Cores with AVX-512 reach their floor with whole panels.
#if STATELINE_AVX512
constexpr int64_t kBlockWordsF32 = INT64_MAX;
constexpr int64_t kBlockWordsBf16 = INT64_MAX;
#else
constexpr int64_t kBlockWordsF32 = kBlockBytes / (kPanel * 4);
constexpr int64_t kBlockWordsBf16 = kBlockWordsF32 / 2;
#endif
constexpr int64_t kBlockWordsInt8 = INT64_MAX;

constexpr int64_t kChannelBlock = 64;  // four cache lines of a row of activations

}  // namespace stateline::cpu::STATELINE_ISA
