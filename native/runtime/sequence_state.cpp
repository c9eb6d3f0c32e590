#include "runtime/sequence_state.h"

#include <string>
#include <utility>

#include "runtime/error.h"
#include "runtime/state_cache.h"

namespace stateline {

size_t SequenceState::bytes() const {
  size_t bytes = (conv.size() + ssm.size()) * sizeof(float);
  for (const KeysValues* part = kv.get(); part; part = part->before.get()) bytes += part->bytes();
  return bytes;
}

std::shared_ptr<KeysValues> make_keys_values(const ModelShape& shape, int64_t tokens,
                                             std::shared_ptr<KeysValues> before) {
  if (shape.hybrid_layers == 0) return nullptr;
  auto kv = std::make_shared<KeysValues>();
  kv->first = before ? before->first + before->tokens : 0;
  kv->tokens = tokens - kv->first;
  kv->layers = shape.hybrid_layers;
  kv->keys.resize(shape.hybrid_layers * kv->tokens * shape.kv_heads * shape.head_dim);
  kv->values.resize(kv->keys.size());
  kv->before = std::move(before);
  return kv;
}

std::shared_ptr<KeysValues> beginning_of(const SequenceState* state, int64_t tokens) {
  auto part = state ? state->kv : nullptr;
  while (part && part->tokens <= tokens - (part->first + part->tokens)) part = part->before;
  return part;
}

SequenceState make_sequence_state(const ModelShape& shape, int64_t tokens, std::shared_ptr<KeysValues> kv) {
  SequenceState state;
  state.tokens = tokens;
  state.conv.resize(shape.layers * (shape.taps - 1) * shape.inner);
  state.ssm.resize(shape.layers * shape.states * shape.inner);
  state.kv = std::move(kv);
  return state;
}

int64_t state_bytes(const ModelShape& shape) {
  return shape.layers * (shape.taps - 1 + shape.states) * shape.inner * static_cast<int64_t>(sizeof(float));
}

int64_t key_value_bytes(const ModelShape& shape) {
  return 2 * shape.hybrid_layers * shape.kv_heads * shape.head_dim * static_cast<int64_t>(sizeof(float));
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
  check("conv", state.conv.size(), shape.layers * (shape.taps - 1) * shape.inner);
  check("ssm", state.ssm.size(), shape.layers * shape.states * shape.inner);
  int64_t expected = state.tokens;  // of which keys and values are in the rest of the chain
  for (const KeysValues* part = state.kv.get(); part; part = part->before.get()) {
    const int64_t size = shape.hybrid_layers * part->tokens * shape.kv_heads * shape.head_dim;
    check("keys", part->keys.size(), size);
    check("values", part->values.size(), size);
    expected -= part->tokens;
  }
  if (shape.hybrid_layers > 0) check("tokens", static_cast<size_t>(state.tokens - expected), state.tokens);
}

}  // namespace stateline
