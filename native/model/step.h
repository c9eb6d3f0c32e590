// One step of one rank: turns each call of the mathematics into an op of the device and a span of the trace.
#pragma once

#include "comm/communicator.h"
#include "device/device.h"
#include "model/logits.h"
#include "model/mixer_state.h"
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
  Reduction out_proj_wire;
};

// The columns of x_proj's output: what makes the recurrence depend on its input.
struct ScanInputs {
  View<float> dt;  // [tokens, r]
  View<float> b;   // [tokens, N]
  View<float> c;   // [tokens, N]
};

class Step {
 public:
  // `record` as all ranks agreed. The step ends, in the trace, with the object.
  Step(Tools& tools, Segments segments, bool record, const StepLabel& label);
  ~Step() { tools_.recorder.end_step(); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  int64_t tokens() const { return tokens_; }
  void layer(int index) { tools_.recorder.set_layer(index); }

  View<float> embed(const TensorSlice& table, const int32_t* ids);
  View<float> norm(View<float> residual, View<const float> delta, const float* weight, float epsilon);
  View<float> in_proj_x(const Matrix& weight, View<const float> in);
  View<float> in_proj_z(const Matrix& weight, View<const float> in);
  View<float> conv1d(const ConvParameters& conv, View<const float> x, ConvState state);
  View<float> x_proj(const Matrix& weight, View<const float> u);  // partial sums
  View<float> dt_proj(const Matrix& weight, View<const float> dt);
  View<float> selective_scan(const ScanParameters& scan, View<float> u, View<const float> delta, const ScanInputs& in,
                             View<const float> z, SsmState state);
  View<float> out_proj(const Matrix& weight, View<const float> y);  // partial sums

  // dt feeds an exponential, and the message is small: exact on the wire. Between start and finish a rank may compute.
  void start_all_reduce_x_proj(View<float> partial);
  void finish_all_reduce() { tools_.communicator.finish(); }
  void all_reduce_out_proj(View<float> partial);

  // Logits of at most LogitsBlock::kRows rows of `hidden`, in memory that all ranks see; valid until the call after
  // the next.  [rows, vocabulary]
  View<const float> logits(const ModelWeights& weights, View<const float> hidden);

  // Only on the rank that decides.
  int32_t sample(Sampler& sampler, View<const float> logits, int64_t ordinal);

 private:
  void matmul(Op op, const Matrix& weight, View<const float> in, View<float> out);

  Tools& tools_;
  Segments segments_;
  int64_t tokens_ = 0;
  bool decode_;
};

}  // namespace stateline
