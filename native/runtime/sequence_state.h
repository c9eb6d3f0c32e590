// What a sequence has left in the state cache, of all ranks together and the same for every number of them: it can be
// kept, shared by sequences that go on from it, and given to an engine that splits the model otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/shape.h"

namespace stateline {

// Keys and values of the tokens from `first` on; those of earlier ones are in `before`, which sequences with the same
// beginning share.
struct KeysValues {
  std::shared_ptr<KeysValues> before;
  int64_t first = 0;
  int64_t tokens = 0;
  int64_t layers = 1;
  std::vector<float> keys;    // [hybrid layers, tokens, kv_heads · head_dim]
  std::vector<float> values;  // as keys

  size_t bytes() const { return (keys.size() + values.size()) * sizeof(float); }
};

struct SequenceState {
  int64_t tokens = 0;              // that the state has seen
  std::vector<float> conv;         // [layers, K-1, d]: the convolution's last inputs, oldest first
  std::vector<float> ssm;          // [layers, N, d]
  std::shared_ptr<KeysValues> kv;  // the last of them; null in models without hybrid layers

  size_t bytes() const;
};

// Of the right sizes, all zero. `kv`: of the same tokens.
SequenceState make_sequence_state(const ModelShape& shape, int64_t tokens, std::shared_ptr<KeysValues> kv);
// Null in models without hybrid layers. `before`: where those of the beginning are, if they are kept.
std::shared_ptr<KeysValues> make_keys_values(const ModelShape& shape, int64_t tokens,
                                             std::shared_ptr<KeysValues> before = nullptr);

// What of `state` (may be null) those of `tokens` tokens go behind: the longest beginning of its chain whose last part
// is longer than what is to come, so that a sequence that goes on and on copies little and has few parts.
std::shared_ptr<KeysValues> beginning_of(const SequenceState* state, int64_t tokens);

// Bytes of a state, and of a token's keys and values.
int64_t state_bytes(const ModelShape& shape);
int64_t key_value_bytes(const ModelShape& shape);

// Throws E_STATE_MISMATCH where the sizes are not the model's.
void check_sequence_state(const ModelShape& shape, const SequenceState& state);

}  // namespace stateline
