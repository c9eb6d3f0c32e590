#include "runtime/sequence_state.h"

#include <string>

#include "runtime/error.h"
#include "runtime/state_cache.h"

namespace stateline {

SequenceState make_sequence_state(const ModelShape& shape, int64_t tokens) {
  SequenceState state;
  state.tokens = tokens;
  state.conv.resize(shape.layers * (shape.taps - 1) * shape.inner);
  state.ssm.resize(shape.layers * shape.states * shape.inner);
  state.keys.resize(shape.hybrid_layers * tokens * shape.kv_heads * shape.head_dim);
  state.values.resize(state.keys.size());
  return state;
}

void check_sequence_state(const ModelShape& shape, const SequenceState& state) {
  if (state.tokens < 0) {
    throw Error("E_STATE_MISMATCH", "a state has seen 0 or more tokens, got " + std::to_string(state.tokens),
                {{"tokens", std::to_string(state.tokens)}});
  }
  check_context(shape, state.tokens);
  const auto check = [](const char* name, size_t got, int64_t expected) {
    if (got == static_cast<size_t>(expected)) return;
    throw Error("E_STATE_MISMATCH",
                std::string("the state's ") + name + " has " + std::to_string(got) + " values, the model needs " +
                    std::to_string(expected),
                {{"part", name}, {"got", std::to_string(got)}, {"expected", std::to_string(expected)}});
  };
  const int64_t kv = shape.hybrid_layers * state.tokens * shape.kv_heads * shape.head_dim;
  check("conv", state.conv.size(), shape.layers * (shape.taps - 1) * shape.inner);
  check("ssm", state.ssm.size(), shape.layers * shape.states * shape.inner);
  check("keys", state.keys.size(), kv);
  check("values", state.values.size(), kv);
}

}  // namespace stateline
