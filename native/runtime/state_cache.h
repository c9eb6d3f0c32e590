// One rank's states between steps: for each slot (a sequence) and layer the convolution's last inputs and the SSM
// state. Their size does not grow with the sequence.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "device/device.h"
#include "model/mixer_state.h"
#include "model/shape.h"

namespace stateline {

class StateCache {
 public:
  // `inner`: channels of this rank.
  StateCache(Device& device, const ModelShape& shape, int64_t inner, int slots);

  // One a layer; segments choose the slot.
  std::span<const MixerState> layers() const { return layers_; }
  // The slot's sequence starts anew.
  void clear(int slot);
  size_t bytes() const { return conv_->bytes() + ssm_->bytes(); }

 private:
  int64_t conv_size_;  // floats of a slot in a layer
  int64_t ssm_size_;
  std::unique_ptr<Buffer> conv_;  // [layers, slots, K-1, d/P]
  std::unique_ptr<Buffer> ssm_;   // [layers, slots, N, d/P]
  std::vector<MixerState> layers_;
};

}  // namespace stateline
