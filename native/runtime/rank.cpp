#include "runtime/rank.h"

#include <algorithm>
#include <string>

#include "comm/message.h"
#include "runtime/error.h"

namespace stateline {
namespace {

int64_t x_proj_bytes(const EngineSpec& spec) {
  return Message({nullptr, spec.max_tokens, spec.shape.x_proj_rows(), spec.shape.x_proj_rows()}, {}).bytes();
}

InProcessOptions group_options(const EngineSpec& spec) {
  InProcessOptions options;
  options.ranks = spec.ranks;
  options.threads = spec.ranks * spec.threads_per_rank;
  options.message_bytes = x_proj_bytes(spec);
  for (const WireTable::Step& step : spec.wires.steps) {
    const Reduction wire{step.wire, spec.wires.group};
    const Message out_proj({nullptr, spec.max_tokens, spec.shape.hidden, spec.shape.hidden}, wire);
    options.message_bytes = std::max(options.message_bytes, out_proj.bytes());
  }
  options.verify = spec.verify_collectives;
  options.timeout_ms = spec.collective_timeout_ms;
  return options;
}

InProcessOptions head_group_options(const EngineSpec& spec, int64_t head) {
  InProcessOptions options = group_options(spec);
  options.ranks = spec.ranks / static_cast<int>(spec.shape.mixer_heads);
  options.message_bytes = x_proj_bytes(spec);
  options.ordinal = static_cast<int16_t>(1 + head);  // 0 is the group of all ranks
  options.first = static_cast<int>(head) * options.ranks;
  return options;
}

// Neighbours share a head: the ranks hold the channels in order.
std::unique_ptr<Communicator> join_head_group(Shared& shared, int rank, Device& device, Recorder& recorder) {
  if (shared.head_groups.empty()) return nullptr;
  const int size = shared.spec.ranks / static_cast<int>(shared.head_groups.size());
  return shared.head_groups[rank / size]->join(rank % size, device, recorder);
}

std::vector<Candidates> room_for_candidates(const Device& device, int64_t vocabulary) {
  std::vector<Candidates> room;
  for (int thread = 0; thread < device.threads(); ++thread) room.emplace_back(vocabulary);
  return room;
}

}  // namespace

Shared::Shared(const EngineSpec& spec)
    : spec(spec),
      back_end(make_back_end(spec)),
      group(back_end->group(group_options(spec))),
      logits(spec.shape.vocabulary, spec.ranks) {
  const int64_t heads = spec.shape.mixer_heads;
  if (heads == 1 || spec.ranks <= heads) return;  // one group of all ranks, or whole heads on every rank
  for (int64_t head = 0; head < heads; ++head) {
    const InProcessOptions options = head_group_options(spec, head);
    head_groups.push_back(back_end->group(options));
  }
}

void Shared::abort(const std::exception_ptr& reason) {
  group->abort(reason);
  for (const auto& each : head_groups) each->abort(reason);
}

void Shared::reset() {
  back_end->reset();
  group->reset();
  for (const auto& each : head_groups) each->reset();
}

std::string Shared::link() const {
  if (spec.ranks == 1) return "";
  const std::string all = group->link(), of_head = head_groups.empty() ? all : head_groups.front()->link();
  return of_head == all ? all : all + "; in a mixer head " + of_head;
}

Rank::Rank(Shared& shared, Recorder& recorder, const TensorTable& tensors, int index, const LoadProgress& progress)
    : shared_(shared),
      index_(index),
      device_(shared.back_end->device(index)),
      clock_(shared.back_end->clock(*device_)),
      communicator_(shared.group->join(index, *device_, recorder)),
      head_group_(join_head_group(shared, index, *device_, recorder)),
      repeats_(shared.back_end->repeats(*device_, *communicator_)),
      weights_(load_weights(*device_, tensors, shared.spec.shape, shared.spec.compute_type, index, progress)),
      states_(*device_, shared.spec.shape, weights_, shared.spec.slots + 1),
      workspace_(*device_, shared.spec.shape, weights_, shared.spec.max_tokens),
      candidates_(room_for_candidates(*device_, shared.spec.shape.vocabulary)),
      tools_{*device_,
             *communicator_,
             recorder,
             workspace_,
             shared.logits,
             candidates_,
             shared.spec.shape.mixer_heads == 1 ? communicator_.get() : head_group_.get(),
             shared.spec.wires,
             shared.spec.overlap} {
  segments_.reserve(shared.spec.slots);
  recorder.time_by(clock_.get());
}

int64_t Rank::sent() const { return communicator_->sent() + (head_group_ ? head_group_->sent() : 0) + sent_again_; }

View<const float> Rank::repeated(Step& step) {
  bool called = false;
  const int64_t before = sent();
  repeats_->run(step.tokens(), [&] {
    called = true;
    hidden_states(step, weights_, spec().shape, states_.layers());
  });
  int64_t& bytes = repeated_bytes_[step.tokens()];
  if (called) {
    bytes = sent() - before;
  } else {
    sent_again_ += bytes;
    if (decides()) ++shared_.repeated;
  }
  return workspace_.normed(step.tokens());
}

void Rank::begin_job() {
  turn_ = 0;
  shared_.logits.restart(index_);
  if (repeats_) repeats_->renew();
}

void Rank::settle(bool failed) {
  if (failed) {
    if (repeats_) repeats_->forget();
    communicator_->release();
    if (head_group_) head_group_->release();
  }
  device_->settle();
}

void Rank::begin_sequence(int slot, const SequenceState* state) {
  if (state) {
    states_.load(slot, *state, index_, spec().ranks);
  } else {
    states_.clear(slot);
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
  int64_t wire = shared_.group->bytes();
  for (const auto& each : shared_.head_groups) wire += each->bytes();
  const size_t activations = workspace_.bytes() + device_->bytes() + shared_.logits.bytes() / ranks;
  return {weights_.bytes, states_.bytes(), activations, static_cast<size_t>(wire) / ranks};
}

}  // namespace stateline
