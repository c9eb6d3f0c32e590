// One rank's weights, packed for its device.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "device/device.h"
#include "model/shape.h"
#include "model/tensors.h"

namespace stateline {

// One head of the mixer: its own input-dependent parameters for its share of the channels. Mamba has one head.
struct MixerHead {
  std::unique_ptr<Matrix> x_proj;   // [r + 2N, channels]: gives partial sums where a head lies on several ranks
  std::unique_ptr<Matrix> dt_proj;  // [channels, r], with bias
  ScanParameters scan;

  int64_t channels() const { return dt_proj->rows(); }
};

struct MixerWeights {
  std::unique_ptr<Matrix> in_proj_x;  // [d/P, h]
  std::unique_ptr<Matrix> in_proj_z;  // [d/P, h]
  ConvParameters conv;                // of d/P channels
  std::vector<MixerHead> heads;       // of d/P channels together
  std::unique_ptr<Matrix> out_proj;   // [h, d/P]: gives partial sums
};

// Attention and MLP, which Zamba's hybrid layers share. m: the MLP's inner size.
struct SharedBlock {
  const float* attention_norm = nullptr;  // [2h]
  AttentionParameters attention;          // of this rank's heads
  std::unique_ptr<Matrix> q_proj;         // [heads/P · head_dim, 2h]
  std::unique_ptr<Matrix> k_proj;         // [kv_heads/P · head_dim, 2h]
  std::unique_ptr<Matrix> v_proj;         // as k_proj
  std::unique_ptr<Matrix> o_proj;         // [h, heads/P · head_dim]: gives partial sums
  const float* mlp_norm = nullptr;        // [h]
  std::unique_ptr<Matrix> gate;           // [m/P, h]
  std::unique_ptr<Matrix> up;             // [m/P, h]
  std::unique_ptr<Matrix> down;           // [h, m/P]: gives partial sums
};

struct LayerWeights {
  const float* norm = nullptr;  // [h]
  MixerWeights mixer;

  // Of a hybrid layer; null in others.
  const SharedBlock* block = nullptr;
  std::unique_ptr<Matrix> linear;  // [h, h]
};

struct ModelWeights {
  int64_t inner = 0;                 // d/P, channels of this rank
  std::unique_ptr<Table> embedding;  // [vocabulary, h]
  std::vector<LayerWeights> layers;
  std::vector<std::unique_ptr<SharedBlock>> blocks;  // one, unless hybrid layers have blocks of their own
  const float* norm_f = nullptr;                     // [h]
  std::unique_ptr<Matrix> lm_head;  // rows [head_begin, …) of [vocabulary, h]; null when there are none
  int64_t head_begin = 0;
  std::vector<std::unique_ptr<Buffer>> vectors;  // what the pointers above point into
  size_t bytes = 0;

  // Mixer heads of which this rank has channels.
  int64_t heads() const { return static_cast<int64_t>(layers.front().mixer.heads.size()); }
};

// Called after each tensor with its stored bytes on this rank; throws to stop.
using LoadProgress = std::function<void(int64_t bytes)>;

// Throws E_TENSOR_MISSING, E_TENSOR_SHAPE and E_TENSOR_VALUE.
ModelWeights load_weights(Device& device, const TensorTable& tensors, const ModelShape& shape, ComputeType type,
                          int rank, const LoadProgress& progress);

// Stored bytes of all that load_weights will read.
int64_t stored_bytes(const TensorSlice& slice);

}  // namespace stateline
