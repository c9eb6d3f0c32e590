#include "runtime/request.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/error.h"
#include "trace/clock.h"

namespace stateline {
namespace {

// Longer generations grow their list now and then.
constexpr int64_t kReserved = 1 << 16;

void check(bool fine, const char* name, const char* must, double value) {
  if (fine) return;
  throw Error("E_OPTION", std::string(name) + " must be " + must + ", got " + std::to_string(value),
              {{"option", name}, {"value", std::to_string(value)}});
}

GenerateOptions checked(GenerateOptions options, int64_t vocabulary) {
  const Sampling& sampling = options.sampling;
  check(options.max_new_tokens >= 0, "maxNewTokens", "0 or more", static_cast<double>(options.max_new_tokens));
  check(sampling.temperature >= 0 && std::isfinite(sampling.temperature), "temperature", "0 or more",
        sampling.temperature);
  check(sampling.top_k >= 0, "topK", "0 (all) or more", static_cast<double>(sampling.top_k));
  check(sampling.top_p > 0 && sampling.top_p <= 1, "topP", "above 0 and at most 1", sampling.top_p);
  check(sampling.min_p >= 0 && sampling.min_p <= 1, "minP", "0 to 1", sampling.min_p);
  check(sampling.repetition_penalty > 0 && std::isfinite(sampling.repetition_penalty), "repetitionPenalty", "above 0",
        sampling.repetition_penalty);
  check(sampling.logprobs >= -1, "logprobs", "-1 (none) or more", static_cast<double>(sampling.logprobs));
  for (const int32_t token : options.seen_tokens) {
    check(token >= 0 && token < vocabulary, "seenTokens", "in the vocabulary", token);
  }
  return options;
}

}  // namespace

Request::Request(JobInput input, GenerateOptions options, int64_t vocabulary, OnToken on_token, Job::Settled settled)
    : input_(std::move(input)),
      options_(checked(std::move(options), vocabulary)),
      sampler_(options_.sampling, vocabulary),
      on_token_(std::move(on_token)),
      settled_(std::move(settled)) {
  result_.tokens.reserve(std::min(options_.max_new_tokens, kReserved));
}

void Request::start() {
  started_ = monotonic_ns();
  sampler_.see(options_.seen_tokens);
  sampler_.see(input_.tokens);
}

std::vector<int32_t> Request::sequence(int64_t begin, int64_t end) const {
  const auto prompt = static_cast<int64_t>(input_.tokens.size());
  std::vector<int32_t> tokens;
  for (int64_t i = begin; i < end; ++i) tokens.push_back(i < prompt ? input_.tokens[i] : result_.tokens[i - prompt]);
  return tokens;
}

std::span<const int32_t> Request::next(int64_t most) const {
  if (!in_prefill()) return {&result_.tokens.back(), 1};
  const int64_t left = static_cast<int64_t>(input_.tokens.size()) - fed_;
  return {input_.tokens.data() + fed_, static_cast<size_t>(std::min({left, most, input_.chunk}))};
}

bool Request::feed(int64_t tokens) {
  if (in_prefill()) fed_ += tokens;
  return !in_prefill();
}

template <class Logits>
void Request::choose_from(Logits logits, Candidates& candidates) {
  if (result_.tokens.empty()) result_.prefill_ns = monotonic_ns() - started_;
  if (options_.max_new_tokens == 0) return;
  try {
    chosen_ = sampler_.sample(logits, static_cast<int64_t>(result_.tokens.size()), candidates);
  } catch (...) {
    fail(std::current_exception());  // logits that are no numbers are this request's trouble alone
  }
}

template void Request::choose_from(View<const float>, Candidates&);
template void Request::choose_from(std::span<const TopLogit>, Candidates&);

void Request::take() {
  if (error_) return;
  if (options_.max_new_tokens == 0) {
    end_at_length();
    return;
  }
  try {
    const int64_t now = monotonic_ns();
    if (result_.tokens.empty()) {
      first_token_ = now;
      result_.ttft_ns = now - started_;
    }
    result_.decode_ns = now - first_token_;
    take_token();
  } catch (...) {
    fail(std::current_exception());
  }
}

void Request::take_token() {
  result_.tokens.push_back(chosen_);
  on_token_(chosen_, sampler_.logprobs());
  if (std::ranges::count(options_.stop_tokens, chosen_) > 0) {
    result_.finish = Finish::stop;
  } else if (static_cast<int64_t>(result_.tokens.size()) >= options_.max_new_tokens) {
    result_.finish = Finish::length;
  } else {
    return;  // finish says cancelled from the start
  }
  finished_ = true;
}

}  // namespace stateline
