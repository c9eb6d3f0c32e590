#include "runtime/rank.h"

#include <algorithm>
#include <string>

#include "comm/message.h"
#include "device/cpu/cpu_device.h"
#include "runtime/error.h"

namespace stateline {
namespace {

InProcessOptions group_options(const EngineSpec& spec) {
  const Reduction wire{spec.wire_type, spec.quantisation_group};
  const Message x_proj({nullptr, spec.max_tokens, spec.shape.x_proj_rows(), spec.shape.x_proj_rows()}, {});
  const Message out_proj({nullptr, spec.max_tokens, spec.shape.hidden, spec.shape.hidden}, wire);
  InProcessOptions options;
  options.ranks = spec.ranks;
  options.threads = spec.ranks * spec.threads_per_rank;
  options.message_bytes = std::max(x_proj.bytes(), out_proj.bytes());
  options.verify = spec.verify_collectives;
  return options;
}

}  // namespace

Shared::Shared(const EngineSpec& spec)
    : spec(spec),
      group(group_options(spec)),
      logits(spec.shape.vocabulary, spec.ranks),
      state_known(spec.slots, true) {}

Rank::Rank(Shared& shared, Recorder& recorder, const TensorTable& tensors, int index, const LoadProgress& progress)
    : shared_(shared),
      index_(index),
      device_(make_cpu_device(shared.spec.threads_per_rank)),
      communicator_(shared.group.join(index, recorder)),
      weights_(load_weights(*device_, tensors, shared.spec.shape, shared.spec.compute_type, index, progress)),
      states_(*device_, shared.spec.shape, weights_.inner, shared.spec.slots),
      workspace_(*device_, shared.spec.shape, weights_.inner, shared.spec.max_tokens),
      tools_{*device_,   *communicator_, recorder,
             workspace_, shared.logits,  {shared.spec.wire_type, shared.spec.quantisation_group}} {}

void Rank::begin_job() {
  turn_ = 0;
  shared_.logits.restart(index_);
}

void Rank::begin_sequence(int slot, bool reset) {
  if (reset) {
    states_.clear(slot);
  } else if (!shared_.state_known[slot]) {
    throw Error("E_STATE_LOST",
                "the state in slot " + std::to_string(slot) +
                    " was lost when its last job failed or was cancelled: " + "start again from an empty state",
                {{"slot", std::to_string(slot)}});
  }
}

// Rank 0 writes an order again only after the next meeting, to which all come having read this one.
Order Rank::agree(Order proposal) {
  Order& order = shared_.orders[turn_++ & 1];
  if (decides()) {
    order = proposal;
    order.record = shared_.recording.load(std::memory_order_relaxed);
  }
  communicator_->barrier();
  return order;
}

Rank::Memory Rank::memory() const {
  const size_t ranks = shared_.spec.ranks;
  return {weights_.bytes, states_.bytes(), workspace_.bytes() + shared_.logits.bytes() / ranks,
          static_cast<size_t>(shared_.group.bytes()) / ranks};
}

}  // namespace stateline
