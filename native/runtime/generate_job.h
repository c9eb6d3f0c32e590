// Prefill, then one token a step, each fed back, until a stop token, the wanted length, or a cancel.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "model/sampling.h"
#include "runtime/job.h"

namespace stateline {

struct GenerateOptions {
  int64_t max_new_tokens = 0;
  Sampling sampling;
  std::vector<int32_t> stop_tokens;       // one of these ends the generation; it is reported
  std::vector<int32_t> seen_tokens = {};  // what came before the input, for the repetition penalty
};

enum class Finish : uint8_t { length, stop, cancelled };

struct GenerateResult {
  std::vector<int32_t> tokens;  // the slot's state has taken all of them but the last
  Finish finish = Finish::cancelled;
  int64_t ttft_ns = 0;     // from the job's start to the first token
  int64_t prefill_ns = 0;  // from the job's start to the last prompt token's logits
  int64_t decode_ns = 0;   // from the first token to the last
  int64_t wire_bytes = 0;  // sent by all ranks together
};

class GenerateJob final : public Job {
 public:
  // Called on the deciding rank's thread as soon as a token is known.
  // `logprobs`: the token's own, then the likeliest ones'; empty unless the sampling asks for them.
  using OnToken = std::function<void(int32_t token, std::span<const TokenLogprob> logprobs)>;

  // Throws E_OPTION.
  GenerateJob(JobInput input, GenerateOptions options, int64_t vocabulary, OnToken on_token, Settled settled);
  void run(Rank& rank) override;
  std::exception_ptr when_cancelled() const override { return nullptr; }

  const GenerateResult& result() const { return result_; }

 private:
  void decode(Rank& rank, int32_t token, int64_t started);
  // Takes a sampled token; whether it is the last.
  bool take(int32_t token);

  GenerateOptions options_;
  Sampler sampler_;
  OnToken on_token_;
  GenerateResult result_;
  std::atomic<int64_t> wire_bytes_{0};
};

}  // namespace stateline
