// One step of one rank: turns each call of the mathematics into an op of the device and a span of the trace.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "device/device.h"
#include "model/layer_state.h"
#include "model/logits.h"
#include "model/sampling.h"
#include "model/weights.h"
#include "model/workspace.h"
#include "trace/recorder.h"

namespace stateline {

// What a rank computes with, for as long as it lives.
struct Tools {
  Device& device;
  Communicator& communicator;
  Recorder& recorder;
  Workspace& workspace;
  LogitsBlock& logits;
  std::span<Candidates> candidates;  // room for each of the device's threads
  Communicator* head_group;          // ranks that share a mixer head; null where none do
  const WireTable& wires;            // of all sums of h values
  bool overlap;                      // compute z while x_proj's sum is in flight
};

// The state of `slot` is wanted as it is behind the first `segments` segments of the step.
struct Cut {
  int32_t segments = 0;
  int32_t slot = 0;
};

// In the order of the segments, so that a sequence which is cut is several consecutive segments. Each function is
// called when the layer's state stands at the cut.
struct Cuts {
  using Reached = std::function<void(size_t cut, int64_t layer)>;
  std::span<const Cut> at;
  Reached conv;
  Reached ssm;
};

using MixerHeads = std::span<const MixerHead>;

class Step {
 public:
  // `record` as all ranks agreed. `inputs` and `cuts` outlive the step.
  Step(Tools& tools, StepInputs inputs, const Cuts& cuts, bool record, const StepLabel& label);
  ~Step() { tools_.recorder.drop_step(); }  // unless it ended
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  // Waits for the device where that stamps the step's spans.
  void end() { tools_.recorder.end_step(); }

  int64_t tokens() const { return tokens_; }
  // One of each sequence, and no state wanted in between.
  bool single_tokens() const { return tokens_ == segments_.count && cuts_.at.empty(); }
  bool overlaps() const { return tools_.overlap; }
  void layer(int index) {
    layer_ = index;
    tools_.recorder.set_layer(index);
  }

  View<float> embed(const Table& table);
  // The embeddings once more, which no layer changes: the other half of a hybrid layer's input.
  View<float> keep_embedding(const Table& table);
  View<float> norm(View<float> residual, View<const float> delta, const float* weight, float epsilon);
  View<float> in_proj_x(const Matrix& weight, View<const float> in);
  View<float> in_proj_z(const Matrix& weight, View<const float> in);
  View<float> conv1d(const ConvParameters& conv, View<const float> x, ConvState state);
  View<float> x_proj(MixerHeads heads, View<const float> u);  // partial sums, head beside head
  // Falcon-Mamba's norms without weights, in place.
  void ssm_norm(MixerHeads heads, View<float> params, float epsilon);
  // Whether state_update() replaces dt_proj() and selective_scan().
  bool fuses_state_update() const { return single_tokens() && tools_.device.fused(); }
  View<float> state_update(MixerHeads heads, View<float> u, View<float> params, View<const float> z, SsmState state);
  View<float> dt_proj(MixerHeads heads, View<float> params);
  View<float> selective_scan(MixerHeads heads, View<float> u, View<const float> delta, View<float> params,
                             View<const float> z, SsmState state);
  View<float> out_proj(const Matrix& weight, View<const float> y);  // partial sums

  // dt feeds an exponential, and the message is small: exact on the wire. Between start and finish a rank may compute.
  void start_all_reduce_x_proj(View<float> partial);
  void finish_all_reduce_x_proj();
  void all_reduce_out_proj(View<float> partial);

  // A hybrid layer's attention and MLP.
  View<float> norm_pair(View<float> residual, View<const float> delta, View<const float> embedding, const float* weight,
                        float epsilon);
  View<float> norm_sum(View<const float> residual, View<const float> hybrid, const float* weight, float epsilon);
  View<float> attention(const SharedBlock& block, View<const float> in, KvCache cache);
  View<float> o_proj(const Matrix& weight, View<const float> in);  // partial sums
  void all_reduce_o_proj(View<float> partial);
  View<float> mlp_up(const SharedBlock& block, View<const float> in);
  View<float> mlp_down(const Matrix& weight, View<const float> in);  // partial sums
  void all_reduce_mlp(View<float> partial);
  View<float> hybrid_linear(const Matrix& weight, View<const float> in);

  // These rows of the last norm's output.
  View<const float> gather(View<const float> hidden, std::span<const int32_t> rows);

  // Logits of at most LogitsBlock::kRows rows of `hidden`, in memory of the host that all ranks see; valid until the
  // call after the next.  [rows, vocabulary]
  View<const float> logits(const ModelWeights& weights, View<const float> hidden);

  // The `k` largest logits of each row on each rank instead of all, where the device has them as one op; as logits()
  // otherwise. A row has the values of the first rank, their ids, those of the second, …: ranks · 2k ≤ vocabulary.
  View<const float> largest_logits(const ModelWeights& weights, View<const float> hidden, int64_t k);
  // Of a row of largest_logits(), on the rank that decides: the k largest of all ranks. Valid until `room` is used
  // again.
  std::span<const TopLogit> largest(View<const float> row, int64_t k, std::vector<TopLogit>& room) const;

  // choose(i, candidates) for each i in [0, count), which reads `bytes` of logits, on the threads of this rank's
  // device. The span is that of the one who gets the token, whom(i), whoever else the step serves; where nobody does,
  // there is none. Those that threads choose side by side get equal parts of the time.
  template <class Whom, class Choose>
  void sample(int64_t count, int64_t bytes, const Whom& whom, const Choose& choose) {
    Recorder& recorder = tools_.recorder;
    const int64_t together = tools_.device.threads() > 1 ? count : 1;
    for (int64_t first = 0; first < count; first += together) {
      uint64_t begin = recorder.last_mark();
      const auto on_thread = [&](int64_t i, int thread) { choose(first + i, tools_.candidates[thread]); };
      tools_.device.on_host(together, std::ref(on_thread));
      if (!recorder.on()) continue;
      const uint64_t end = recorder.mark(Stream::host), part = together > 1 ? (end - begin) / together : 0;
      for (int64_t i = 0; i < together; ++i) {
        const uint64_t until = i + 1 < together ? begin + part : end;
        if (const std::optional<Served> served = whom(first + i)) {
          recorder.add(Op::sample, Stream::host, begin, until, [&](Span& span) {
            span.bytes = bytes;
            span.cell = served->cell;
            span.request = served->request;
          });
        }
        begin = until;
      }
    }
  }

 private:
  View<float> embed(const Table& table, View<float> out);
  static Work work_of(const Matrix& weight, int64_t tokens);
  Work dt_proj_work(MixerHeads heads) const;
  Work scan_work(MixerHeads heads, int64_t channels) const;
  void matmul(Op op, const Matrix& weight, View<const float> in, View<float> out);

  // Calls run(segments) for those up to each cut in turn, and `reached` between.
  template <class Run>
  void between_cuts(const Cuts::Reached& reached, Run run) const;

  Tools& tools_;
  const Cuts& cuts_;
  int layer_ = -1;
  Segments segments_;  // in memory of the host
  StepInputs staged_;  // where the device's ops read them
  int64_t tokens_ = 0;
  bool decode_;
};

}  // namespace stateline
