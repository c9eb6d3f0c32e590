#include "runtime/state_cache.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "runtime/error.h"

namespace stateline {
namespace {

int64_t hybrid_layers(const ModelWeights& weights) {
  return std::ranges::count_if(weights.layers, [](const LayerWeights& layer) { return layer.block != nullptr; });
}

int64_t key_columns(const ModelWeights& weights) {
  return weights.blocks.empty() ? 0 : weights.blocks.front()->k_proj->rows();
}

}  // namespace

void check_context(const ModelShape& shape, int64_t tokens) {
  if (shape.head_dim == 0 || tokens <= shape.context) return;
  throw Error("E_CONTEXT",
              "the sequence has " + std::to_string(tokens) + " tokens, but keys and values of only " +
                  std::to_string(shape.context) + " are kept; load the model with a larger contextLength",
              {{"tokens", std::to_string(tokens)}, {"contextLength", std::to_string(shape.context)}});
}

StateCache::StateCache(Device& device, const ModelShape& shape, const ModelWeights& weights, int slots)
    : device_(device),
      shape_(shape),
      weights_(weights),
      conv_size_((shape.taps - 1) * weights.inner),
      ssm_size_(shape.states * weights.inner),
      conv_(device.allocate(shape.layers * slots * conv_size_, "the states of all slots")),
      ssm_(device.allocate(shape.layers * slots * ssm_size_, "the states of all slots")),
      keys_(device.allocate(hybrid_layers(weights) * slots * shape.context * key_columns(weights),
                            "the keys and values of all slots")),
      values_(device.allocate(hybrid_layers(weights) * slots * shape.context * key_columns(weights),
                              "the keys and values of all slots")),
      positions_(slots) {
  const int64_t kv_size = shape.context * key_columns(weights);
  int64_t hybrid = 0;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    LayerState& state = layers_.emplace_back();
    state.conv = {conv_->data() + layer * conv_size_, shape.layers * conv_size_};
    state.ssm = {ssm_->data() + layer * ssm_size_, shape.layers * ssm_size_};
    if (!weights.layers[layer].block) continue;
    const int64_t offset = hybrid++ * slots * kv_size;
    state.kv = {keys_->data() + offset, values_->data() + offset, kv_size};
  }
}

void StateCache::clear(int slot) {
  positions_[slot] = 0;
  const auto clear = [&](const Buffer& states, int64_t size) {
    device_.clear({states.data() + slot * size, 1, size, size});
  };
  clear(*conv_, shape_.layers * conv_size_);
  clear(*ssm_, shape_.layers * ssm_size_);
}

template <class State>
using Value = std::conditional_t<std::is_const_v<State>, const float, float>;

template <class State, class Copy>
void StateCache::conv_block(int slot, int64_t layer, State& state, int rank, Copy copy) const {
  const int64_t inner = weights_.inner, all = shape_.inner, taps = shape_.taps - 1;
  const ConvState& own = layers_[layer].conv;
  copy(View<float>{own.data + slot * own.slot_stride, taps, inner, inner},
       View<Value<State>>{state.conv.data() + layer * taps * all + rank * inner, taps, inner, all});
}

template <class State, class Copy>
void StateCache::ssm_blocks(int slot, int64_t layer, State& state, int rank, Copy copy) const {
  const int64_t all = shape_.inner, states = shape_.states;
  const SsmState& own = layers_[layer].ssm;
  int64_t channel = 0;
  for (const MixerHead& head : weights_.layers[layer].mixer.heads) {
    const int64_t channels = head.channels(), first = rank * weights_.inner + channel;
    copy(View<float>{own.data + slot * own.slot_stride + channel * states, states, channels, channels},
         View<Value<State>>{state.ssm.data() + layer * states * all + first, states, channels, all});
    channel += channels;
  }
}

template <class Part, class Copy>
void StateCache::kv_blocks(int slot, Part& part, int rank, int ranks, Copy copy) const {
  const int64_t kv = key_columns(weights_), all = shape_.kv_heads * shape_.head_dim, tokens = part.tokens;
  // Ranks that hold the same head in turn: the first of them answers for it.
  const int64_t sharing = kv * ranks / all;
  if (rank % sharing != 0 && !std::is_const_v<Part>) return;
  int64_t hybrid = 0;
  for (const LayerState& layer : layers_) {
    if (!layer.kv.keys) continue;
    const int64_t from = slot * layer.kv.slot_stride + part.first * kv;
    const int64_t to = hybrid++ * tokens * all + rank / sharing * kv;
    copy(View<float>{layer.kv.keys + from, tokens, kv, kv}, View<Value<Part>>{part.keys.data() + to, tokens, kv, all});
    copy(View<float>{layer.kv.values + from, tokens, kv, kv},
         View<Value<Part>>{part.values.data() + to, tokens, kv, all});
  }
}

void StateCache::load(int slot, const SequenceState& state, int rank, int ranks) {
  const auto copy = [this](View<float> own, View<const float> whole) { device_.upload(whole, own); };
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    conv_block(slot, layer, state, rank, copy);
    ssm_blocks(slot, layer, state, rank, copy);
  }
  for (const KeysValues* part = state.kv.get(); part; part = part->before.get()) {
    kv_blocks(slot, *part, rank, ranks, copy);
  }
  positions_[slot] = state.tokens;
}

void StateCache::save_conv(int slot, int64_t layer, SequenceState& state, int rank) const {
  conv_block(slot, layer, state, rank,
             [this](View<const float> own, View<float> whole) { device_.download(own, whole); });
}

void StateCache::save_ssm(int slot, int64_t layer, SequenceState& state, int rank) const {
  ssm_blocks(slot, layer, state, rank,
             [this](View<const float> own, View<float> whole) { device_.download(own, whole); });
}

void StateCache::save_keys_values(int slot, KeysValues& kv, int rank, int ranks) const {
  kv_blocks(slot, kv, rank, ranks, [this](View<const float> own, View<float> whole) { device_.download(own, whole); });
}

void StateCache::advance(int slot, int64_t tokens) {
  const int64_t needed = positions_[slot] + tokens;
  check_context(shape_, needed);
  positions_[slot] = needed;
}

}  // namespace stateline
