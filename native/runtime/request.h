// One generation: prefill, then one token a step, each fed back, until a stop token, the wanted length, or a cancel. A
// batch runs many requests side by side; the deciding rank works on them, and alone but for choosing tokens.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/sampling.h"
#include "runtime/job.h"
#include "trace/recorder.h"

namespace stateline {

struct GenerateOptions {
  int64_t max_new_tokens = 0;
  Sampling sampling;
  std::vector<int32_t> stop_tokens = {};  // one of these ends the generation; it is reported
  std::vector<int32_t> seen_tokens = {};  // those the state has seen, which the repetition penalty counts
  bool keep_state = false;                // the request gives the state it ends in
  bool use_cache = true;                  // begin with, and leave behind, states for requests that begin alike
};

enum class Finish : uint8_t { length, stop, cancelled };

struct GenerateResult {
  std::vector<int32_t> tokens;  // the state has seen all of them but the last
  Finish finish = Finish::cancelled;
  int64_t ttft_ns = 0;                   // from the request's start to the first token
  int64_t prefill_ns = 0;                // from the request's start to the last prompt token's logits
  int64_t decode_ns = 0;                 // from the first token to the last
  int64_t cached_tokens = 0;             // of the prompt, that were not computed
  int64_t wire_bytes = 0;                // sent by all ranks together; of steps with others, its tokens' share
  std::shared_ptr<SequenceState> state;  // null unless kept
};

class Request {
 public:
  // Called on the deciding rank's thread as soon as a token is known.
  // `logprobs`: the token's own, then the likeliest ones'; empty unless the sampling asks for them.
  using OnToken = std::function<void(int32_t token, std::span<const TokenLogprob> logprobs)>;

  // Throws E_OPTION.
  Request(JobInput input, GenerateOptions options, int64_t vocabulary, OnToken on_token, Job::Settled settled);

  const JobInput& input() const { return input_; }
  bool keeps_state() const { return options_.keep_state; }
  // What comes after a state of the caller's own is no prefix of another request.
  bool uses_cache() const { return options_.use_cache && !input_.state; }

  // Any thread: the request ends after the step it is in.
  void cancel() { cancelled_ = true; }

  // --- the deciding rank's thread ---
  void start();
  // So many tokens of the prompt are in the state already.
  void skip(int64_t tokens) { result_.cached_tokens = fed_ = tokens; }
  int64_t fed() const { return fed_; }
  // Tokens [begin, end) of the prompt and what was generated after it.
  std::vector<int32_t> sequence(int64_t begin, int64_t end) const;
  bool in_prefill() const { return fed_ < static_cast<int64_t>(input_.tokens.size()); }
  // Tokens for the next step: at most `most` of the prompt, or the last new token.
  std::span<const int32_t> next(int64_t most) const;
  // These have been fed, at the wire's cost of `wire_bytes`; whether logits are wanted after the last.
  bool feed(int64_t tokens);
  void add_wire_bytes(int64_t bytes) { result_.wire_bytes += bytes; }
  // Chooses from the logits after the last token that was fed, [1, vocabulary] or the largest of them: on any rank's
  // thread while the deciding one waits.
  void choose(View<const float> logits, Candidates& candidates) { choose_from(logits, candidates); }
  void choose(std::span<const TopLogit> largest, Candidates& candidates) { choose_from(largest, candidates); }
  // How many of the largest logits choose() needs; 0: all.
  int64_t candidates() const { return sampler_.candidates(); }
  // Who gets what is chosen; none: only the prompt was to be read.
  std::optional<Served> served() const {
    if (options_.max_new_tokens == 0) return {};
    return Served{.cell = input_.tag.cell, .request = input_.tag.request};
  }
  // Takes what was chosen.
  void take();
  void fail(std::exception_ptr error) { error_ = std::move(error); }
  // Nothing more is wanted of the model, or it failed.
  bool over() const { return finished_ || cancelled_ || error_; }
  // The state has no room for another token.
  void end_at_length() {
    result_.finish = Finish::length;
    finished_ = true;
  }
  // The prompt has been read as a whole, so that the state is what the result says.
  bool state_known() const { return !in_prefill() && !error_; }

  // Once, by whoever ends the request; the result may be read from then on.
  void settle(std::exception_ptr error) { settled_(error ? std::move(error) : error_); }
  GenerateResult& result() { return result_; }

 private:
  template <class Logits>
  void choose_from(Logits logits, Candidates& candidates);
  void take_token();

  JobInput input_;
  GenerateOptions options_;
  Sampler sampler_;
  OnToken on_token_;
  Job::Settled settled_;
  GenerateResult result_;
  std::exception_ptr error_;
  int64_t started_ = 0;
  int64_t first_token_ = 0;
  int64_t fed_ = 0;  // of the prompt
  int32_t chosen_ = 0;
  bool finished_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace stateline
