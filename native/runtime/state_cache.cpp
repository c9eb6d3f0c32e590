#include "runtime/state_cache.h"

#include <algorithm>
#include <string>

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
    : shape_(shape),
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
    std::fill_n(layer.conv.data + slot * layer.conv.slot_stride, conv_size_, 0.0f);
    std::fill_n(layer.ssm.data + slot * layer.ssm.slot_stride, ssm_size_, 0.0f);
  }
}

void StateCache::advance(int slot, int64_t tokens) {
  const int64_t needed = positions_[slot] + tokens;
  check_context(shape_, needed);
  positions_[slot] = needed;
}

}  // namespace stateline
