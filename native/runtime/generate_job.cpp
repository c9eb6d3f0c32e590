#include "runtime/generate_job.h"

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

GenerateJob::GenerateJob(JobInput input, GenerateOptions options, int64_t vocabulary, OnToken on_token, Settled settled)
    : Job(std::move(input), std::move(settled)),
      options_(checked(std::move(options), vocabulary)),
      sampler_(options_.sampling, vocabulary),
      on_token_(std::move(on_token)) {
  result_.tokens.reserve(std::min(options_.max_new_tokens, kReserved));
}

void GenerateJob::run(Rank& rank) {
  const int64_t started = monotonic_ns();
  if (rank.decides()) {
    sampler_.see(options_.seen_tokens);
    sampler_.see(input().tokens);
  }
  const int64_t sent = rank.sent();
  const int64_t last = static_cast<int64_t>(input().tokens.size()) - 1;
  int32_t token = -1;
  const bool complete = prefill(rank, [&](Step& step, View<const float> hidden, int64_t first) {
    if (first + hidden.rows <= last) return;  // only the last token's logits are asked for
    const auto logits = rank.logits(step, hidden.rows_from(hidden.rows - 1, 1));
    if (!rank.decides()) return;
    result_.prefill_ns = monotonic_ns() - started;
    if (options_.max_new_tokens > 0) token = step.sample(sampler_, logits, 0);
  });
  if (complete) decode(rank, token, started);
  wire_bytes_ += rank.sent() - sent;
  // The sum is complete once all ranks have added theirs.
  rank.communicator().barrier();
  if (rank.decides()) result_.wire_bytes = wire_bytes_;
}

void GenerateJob::decode(Rank& rank, int32_t token, int64_t started) {
  const int64_t first = monotonic_ns();
  if (rank.decides()) {
    result_.ttft_ns = first - started;
    if (options_.max_new_tokens == 0) result_.finish = Finish::length;
  }
  while (true) {
    const bool enough = rank.decides() && (options_.max_new_tokens == 0 || take(token));
    const Order order = rank.agree({token, enough});
    if (order.stop) break;
    token = order.token;
    rank.step({&token, 1}, input().slot, label(Phase::decode, 1), order.record,
              [&](Step& step, View<const float> hidden) {
                const auto logits = rank.logits(step, hidden);
                if (!rank.decides()) return;
                token = step.sample(sampler_, logits, static_cast<int64_t>(result_.tokens.size()));
                result_.decode_ns = monotonic_ns() - first;
              });
  }
}

bool GenerateJob::take(int32_t token) {
  result_.tokens.push_back(token);
  on_token_(token, sampler_.logprobs());
  if (std::ranges::count(options_.stop_tokens, token) > 0) {
    result_.finish = Finish::stop;
    return true;
  }
  if (static_cast<int64_t>(result_.tokens.size()) >= options_.max_new_tokens) {
    result_.finish = Finish::length;
    return true;
  }
  return cancelled();  // finish says so from the start
}

}  // namespace stateline
