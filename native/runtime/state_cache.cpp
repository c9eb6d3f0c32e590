#include "runtime/state_cache.h"

#include <algorithm>

namespace stateline {

StateCache::StateCache(Device& device, const ModelShape& shape, int64_t inner, int slots)
    : conv_size_((shape.taps - 1) * inner),
      ssm_size_(shape.states * inner),
      conv_(device.allocate(shape.layers * slots * conv_size_)),
      ssm_(device.allocate(shape.layers * slots * ssm_size_)) {
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    layers_.push_back({{conv_->data() + layer * slots * conv_size_, conv_size_},
                       {ssm_->data() + layer * slots * ssm_size_, ssm_size_}});
  }
}

void StateCache::clear(int slot) {
  for (const MixerState& layer : layers_) {
    std::fill_n(layer.conv.data + slot * layer.conv.slot_stride, conv_size_, 0.0f);
    std::fill_n(layer.ssm.data + slot * layer.ssm.slot_stride, ssm_size_, 0.0f);
  }
}

}  // namespace stateline
