// One rank's states between steps: for each slot (a sequence) and layer the convolution's last inputs and the SSM
// state, whose size does not grow with the sequence, and the keys and values of hybrid layers, which do.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "device/device.h"
#include "model/layer_state.h"
#include "model/shape.h"
#include "model/weights.h"
#include "runtime/sequence_state.h"

namespace stateline {

// Throws E_CONTEXT when keys and values of so many tokens are not kept.
void check_context(const ModelShape& shape, int64_t tokens);

class StateCache {
 public:
  StateCache(Device& device, const ModelShape& shape, const ModelWeights& weights, int slots);

  // One a layer; segments choose the slot.
  std::span<const LayerState> layers() const { return layers_; }
  // The slot's sequence starts anew.
  void clear(int slot);

  // This rank's part of the slot's state, from and to that of all ranks, which has the model's sizes. `rank` of
  // `ranks`. Saved piece by piece, since a state may be wanted in the middle of a step.
  void load(int slot, const SequenceState& state, int rank, int ranks);
  void save_conv(int slot, int64_t layer, SequenceState& state, int rank) const;
  void save_ssm(int slot, int64_t layer, SequenceState& state, int rank) const;
  void save_keys_values(int slot, KeysValues& kv, int rank, int ranks) const;

  // Tokens of the slot's sequence so far.
  int64_t position(int slot) const { return positions_[slot]; }
  // Makes place for `tokens` more. Throws E_CONTEXT.
  void advance(int slot, int64_t tokens);

  size_t bytes() const { return conv_->bytes() + ssm_->bytes() + keys_->bytes() + values_->bytes(); }

 private:
  // Each calls copy(own, whole) for every block of rows that this rank has.
  template <class State, class Copy>
  void conv_block(int slot, int64_t layer, State& state, int rank, Copy copy) const;
  template <class State, class Copy>
  void ssm_blocks(int slot, int64_t layer, State& state, int rank, Copy copy) const;
  template <class Part, class Copy>
  void kv_blocks(int slot, Part& kv, int rank, int ranks, Copy copy) const;

  Device& device_;
  const ModelShape& shape_;
  const ModelWeights& weights_;
  int64_t conv_size_;  // floats of a slot in a layer
  int64_t ssm_size_;
  // A slot's layers lie side by side: few sequences then touch few pages.
  std::unique_ptr<Buffer> conv_;    // [slots, layers, K-1, d/P]
  std::unique_ptr<Buffer> ssm_;     // [slots, layers, heads, N, channels]
  std::unique_ptr<Buffer> keys_;    // [hybrid layers, slots, context, kv_heads/P · head_dim]
  std::unique_ptr<Buffer> values_;  // as keys
  std::vector<LayerState> layers_;
  std::vector<int64_t> positions_;  // by slot
};

}  // namespace stateline
