// One shard of the model with everything it computes with. Lives on its own thread; jobs drive it step by step, the
// same calls on every rank.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "device/device.h"
#include "model/layers.h"
#include "model/logits.h"
#include "model/sampling.h"
#include "model/step.h"
#include "runtime/back_end.h"
#include "runtime/engine_spec.h"
#include "runtime/state_cache.h"
#include "trace/recorder.h"

namespace stateline {

// What all ranks must do alike in the next step. Rank 0 decides, since only one may look at a clock, a switch or a
// random number.
struct Order {
  bool stop = false;  // no further step: the job was cancelled or is complete
  bool record = false;
};

// What ranks share; outlives them.
struct Shared {
  Shared(const EngineSpec& spec);

  // Releases every rank from whatever collective it is in.
  void abort(const std::exception_ptr& reason);
  // After an abort, once no rank is inside a collective.
  void reset();
  // What messages between ranks travel over, in words; empty for one rank.
  std::string link() const;

  const EngineSpec& spec;
  std::unique_ptr<BackEnd> back_end;
  std::unique_ptr<Group> group;
  std::vector<std::unique_ptr<Group>> head_groups;  // a mixer head each, where several ranks share one
  LogitsBlock logits;
  std::array<Order, 2> orders;         // take turns like wire memory
  std::atomic<bool> recording{false};  // as last asked for
  std::atomic<int64_t> repeated{0};    // steps whose ops were not called
};

class Rank {
 public:
  // Packs this rank's weights, on the thread that will run it. `progress` may throw to stop.
  Rank(Shared& shared, Recorder& recorder, const TensorTable& tensors, int index, const LoadProgress& progress);

  int index() const { return index_; }
  bool decides() const { return index_ == 0; }
  const EngineSpec& spec() const { return shared_.spec; }
  Communicator& communicator() { return *communicator_; }

  // Behind those of the batch, whose sequences wait while a job runs.
  int slot_of_jobs() const { return spec().slots; }
  // The slot's sequence starts anew, from `state` if there is one.
  void begin_sequence(int slot, const SequenceState* state);

  int64_t position(int slot) const { return states_.position(slot); }
  // This rank's part of the slot's state, piece by piece.
  void save_conv(int slot, int64_t layer, SequenceState& state) const { states_.save_conv(slot, layer, state, index_); }
  void save_ssm(int slot, int64_t layer, SequenceState& state) const { states_.save_ssm(slot, layer, state, index_); }
  void save_keys_values(int slot, KeysValues& kv) const { states_.save_keys_values(slot, kv, index_, spec().ranks); }

  // Before a job, while no rank is inside another.
  void begin_job();
  // Returns when its device does nothing any more. `failed`: after an error, of which the group knows.
  void settle(bool failed);

  // All ranks get what rank 0 proposes; its recording switch is added.
  Order agree(Order proposal);

  // Runs the model over `ids`, at most spec().max_tokens of them: the next tokens of the sequences that `segments` say,
  // positions aside. `then(step, hidden)` gets the normed hidden states [tokens, h] while the step still runs;
  // `observe` what is behind each layer.
  template <class Then>
  void step(std::span<const int32_t> ids, std::span<const Segment> segments, const StepLabel& label, bool record,
            Then then, const LayerObserver* observe = nullptr, const Cuts& cuts = {}) {
    segments_.assign(segments.begin(), segments.end());
    for (Segment& segment : segments_) {
      segment.position = static_cast<int32_t>(states_.position(segment.slot));
      states_.advance(segment.slot, segment.length);
    }
    Step step(tools_, {ids.data(), {segments_.data(), static_cast<int32_t>(segments_.size())}}, cuts, record, label);
    const bool repeats = repeats_ && !record && !observe && step.single_tokens();
    then(step, repeats ? repeated(step) : hidden_states(step, weights_, spec().shape, states_.layers(), observe));
    step.end();
  }
  // In memory of the host, like all logits.
  View<const float> logits(Step& step, View<const float> hidden) { return step.logits(weights_, hidden); }
  // Step::largest_logits() serves up to this; 0: not at all. The same on all ranks.
  int64_t most_largest() const {
    return std::min<int64_t>(device_->most_largest(), spec().shape.vocabulary / (2 * spec().ranks));
  }
  View<const float> largest_logits(Step& step, View<const float> hidden, int64_t k) {
    return step.largest_logits(weights_, hidden, k);
  }
  // Activations of this rank's device.
  void download(View<const float> own, View<float> host) { device_->download(own, host); }

  // Bytes this rank has sent to others.
  int64_t sent() const;

  struct Memory {
    size_t weights = 0;
    size_t state = 0;
    size_t activations = 0;
    size_t wire = 0;
  };
  Memory memory() const;

 private:
  View<const float> repeated(Step& step);

  // In the order in which they need each other: buffers and matrices die before their device.
  Shared& shared_;
  int index_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<DeviceClock> clock_;  // of the device's spans; null: the host's
  std::unique_ptr<Communicator> communicator_;
  std::unique_ptr<Communicator> head_group_;   // null unless Shared has head groups
  std::unique_ptr<Repeats> repeats_;           // null: every step calls its ops
  std::map<int64_t, int64_t> repeated_bytes_;  // that a repeated step sends, by its tokens
  int64_t sent_again_ = 0;                     // by such steps
  ModelWeights weights_;
  StateCache states_;
  Workspace workspace_;
  std::vector<Candidates> candidates_;
  Tools tools_;
  std::vector<Segment> segments_;  // of the step
  uint32_t turn_ = 0;
};

}  // namespace stateline
