// Sizes of a Mamba model, in the words of the paper (arXiv 2312.00752) and of the checkpoint's config.
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

  int64_t x_proj_rows() const { return dt_rank + 2 * states; }  // dt, B, C
};

}  // namespace stateline
