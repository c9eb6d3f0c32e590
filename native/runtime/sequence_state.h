// What a sequence has left in the state cache, of all ranks together and the same for every number of them: it can be
// kept, shared by sequences that go on from it, and given to an engine that splits the model otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/shape.h"

namespace stateline {

struct SequenceState {
  int64_t tokens = 0;         // that the state has seen
  std::vector<float> conv;    // [layers, K-1, d]: the convolution's last inputs, oldest first
  std::vector<float> ssm;     // [layers, N, d]
  std::vector<float> keys;    // [hybrid layers, tokens, kv_heads · head_dim]
  std::vector<float> values;  // as keys

  size_t bytes() const { return (conv.size() + ssm.size() + keys.size() + values.size()) * sizeof(float); }
};

// Of the right sizes, all zero.
SequenceState make_sequence_state(const ModelShape& shape, int64_t tokens);

// Throws E_STATE_MISMATCH where the sizes are not the model's.
void check_sequence_state(const ModelShape& shape, const SequenceState& state);

}  // namespace stateline
