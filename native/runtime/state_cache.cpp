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
      conv_(device.allocate(shape.layers * slots * conv_size_)),
      ssm_(device.allocate(shape.layers * slots * ssm_size_)),
      keys_(device.allocate(hybrid_layers(weights) * slots * shape.context * key_columns(weights))),
      values_(device.allocate(hybrid_layers(weights) * slots * shape.context * key_columns(weights))),
      positions_(slots) {
  const int64_t kv_size = shape.context * key_columns(weights);
  int64_t hybrid = 0;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    LayerState& state = layers_.emplace_back();
    state.conv = {conv_->data() + layer * slots * conv_size_, conv_size_};
    state.ssm = {ssm_->data() + layer * slots * ssm_size_, ssm_size_};
    if (!weights.layers[layer].block) continue;
    const int64_t offset = hybrid++ * slots * kv_size;
    state.kv = {keys_->data() + offset, values_->data() + offset, kv_size};
  }
}

void StateCache::clear(int slot) {
  positions_[slot] = 0;
  for (const LayerState& layer : layers_) {
    device_.clear({layer.conv.data + slot * layer.conv.slot_stride, 1, conv_size_, conv_size_});
    device_.clear({layer.ssm.data + slot * layer.ssm.slot_stride, 1, ssm_size_, ssm_size_});
  }
}

template <class State, class Copy>
void StateCache::for_each_block(int slot, State& state, int rank, int ranks, Copy copy) const {
  using Value = std::conditional_t<std::is_const_v<State>, const float, float>;
  const int64_t inner = weights_.inner, all = shape_.inner, first = rank * inner;
  const int64_t taps = shape_.taps - 1, states = shape_.states, tokens = state.tokens;
  const int64_t kv = key_columns(weights_), all_kv = shape_.kv_heads * shape_.head_dim;
  // Ranks that hold the same head in turn: the first of them answers for it.
  const int64_t sharing = kv > 0 ? kv * ranks / all_kv : 1;
  const bool answers = rank % sharing == 0 || !std::is_same_v<State, SequenceState>;
  const int64_t first_kv = rank / sharing * kv;
  int64_t hybrid = 0;
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    const LayerState& own = layers_[layer];
    copy(View<float>{own.conv.data + slot * own.conv.slot_stride, taps, inner, inner},
         View<Value>{state.conv.data() + layer * taps * all + first, taps, inner, all});
    float* ssm = own.ssm.data + slot * own.ssm.slot_stride;
    int64_t channel = 0;
    for (const MixerHead& head : weights_.layers[layer].mixer.heads) {
      const int64_t channels = head.channels();
      copy(View<float>{ssm + channel * states, states, channels, channels},
           View<Value>{state.ssm.data() + layer * states * all + first + channel, states, channels, all});
      channel += channels;
    }
    if (!weights_.layers[layer].block) continue;
    if (answers) {
      const int64_t from = slot * own.kv.slot_stride, to = hybrid * tokens * all_kv + first_kv;
      copy(View<float>{own.kv.keys + from, tokens, kv, kv}, View<Value>{state.keys.data() + to, tokens, kv, all_kv});
      copy(View<float>{own.kv.values + from, tokens, kv, kv},
           View<Value>{state.values.data() + to, tokens, kv, all_kv});
    }
    ++hybrid;
  }
}

void StateCache::load(int slot, const SequenceState& state, int rank, int ranks) {
  for_each_block(slot, state, rank, ranks,
                 [this](View<float> own, View<const float> whole) { device_.upload(whole, own); });
  positions_[slot] = state.tokens;
}

void StateCache::save(int slot, SequenceState& state, int rank, int ranks) const {
  for_each_block(slot, state, rank, ranks,
                 [this](View<const float> own, View<float> whole) { device_.download(own, whole); });
}

void StateCache::advance(int slot, int64_t tokens) {
  const int64_t needed = positions_[slot] + tokens;
  check_context(shape_, needed);
  positions_[slot] = needed;
}

}  // namespace stateline
