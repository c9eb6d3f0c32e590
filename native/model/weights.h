// One rank's weights, packed for its device.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "device/device.h"
#include "model/shape.h"
#include "model/tensors.h"

namespace stateline {

struct MixerWeights {
  std::unique_ptr<Matrix> in_proj_x;  // [d/P, h]
  std::unique_ptr<Matrix> in_proj_z;  // [d/P, h]
  ConvParameters conv;                // of d/P channels
  std::unique_ptr<Matrix> x_proj;     // [r + 2N, d/P]: gives partial sums
  std::unique_ptr<Matrix> dt_proj;    // [d/P, r], with bias
  ScanParameters scan;                // of d/P channels
  std::unique_ptr<Matrix> out_proj;   // [h, d/P]: gives partial sums
};

struct LayerWeights {
  const float* norm = nullptr;  // [h]
  MixerWeights mixer;
};

struct ModelWeights {
  int64_t inner = 0;      // d/P, channels of this rank
  TensorSlice embedding;  // [vocabulary, h], where it is mapped
  std::vector<LayerWeights> layers;
  const float* norm_f = nullptr;    // [h]
  std::unique_ptr<Matrix> lm_head;  // rows [head_begin, …) of [vocabulary, h]; null when there are none
  int64_t head_begin = 0;
  std::vector<std::unique_ptr<Buffer>> vectors;  // what the pointers above point into
  size_t bytes = 0;
};

// Called after each tensor with its stored bytes on this rank; throws to stop.
using LoadProgress = std::function<void(int64_t bytes)>;

// Throws E_TENSOR_MISSING and E_TENSOR_SHAPE.
ModelWeights load_weights(Device& device, const TensorTable& tensors, const ModelShape& shape, ComputeType type,
                          int rank, const LoadProgress& progress);

// Stored bytes of all that load_weights will read.
int64_t stored_bytes(const TensorSlice& slice);

}  // namespace stateline
