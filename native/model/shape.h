// Sizes of a model, in the words of the Mamba paper (arXiv 2312.00752) and of the checkpoint's config.
#pragma once

#include <cstdint>

namespace stateline {

struct ModelShape {
  int64_t hidden = 0;   // h
  int64_t inner = 0;    // d, over all ranks
  int64_t states = 0;   // N
  int64_t taps = 0;     // K, width of the convolution
  int64_t dt_rank = 0;  // r
  int64_t layers = 0;
  int64_t vocabulary = 0;  // rows of the embedding, columns of the logits
  float epsilon = 1e-5f;   // of the RMS norms

  int64_t mixer_heads = 1;  // each has an x_proj and dt_proj of its own; Zamba has several
  float ssm_epsilon = 0;    // of Falcon-Mamba's norms on dt, B and C; 0: there are none

  // Zamba's hybrid layers; 0: there are none.
  int64_t hybrid_layers = 0;
  int64_t kv_heads = 0;  // over all ranks
  int64_t head_dim = 0;  // of the attention
  int64_t context = 0;   // most tokens of a sequence, whose keys and values are kept

  int64_t x_proj_rows() const { return dt_rank + 2 * states; }  // dt, B, C
};

}  // namespace stateline
