#include "addon/job_tasks.h"

#include <algorithm>

#include "addon/state_value.h"
#include "trace/clock.h"

namespace stateline::addon {
namespace {

// Copies: Node may be built without external array buffers, and a copy is small beside the computing.
Napi::Float32Array to_array(Napi::Env env, const float* values, size_t count) {
  auto array = Napi::Float32Array::New(env, count);
  std::copy_n(values, count, array.Data());
  return array;
}

Napi::Int32Array to_array(Napi::Env env, const std::vector<int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

const char* text(Finish finish) {
  switch (finish) {
    case Finish::length:
      return "length";
    case Finish::stop:
      return "stop";
    default:
      return "cancelled";
  }
}

}  // namespace

std::shared_ptr<Job> ForwardTask::make_job(Engine& engine, JobInput input) {
  job_ = std::make_shared<ForwardJob>(std::move(input), engine.spec().shape.vocabulary, settled());
  return job_;
}

Napi::Value ForwardTask::result(Napi::Env env) {
  const auto logits = job_->logits();
  return to_array(env, logits.data, logits.rows * logits.columns);
}

std::shared_ptr<Job> HiddenTask::make_job(Engine& engine, JobInput input) {
  job_ = std::make_shared<HiddenJob>(std::move(input), std::move(layers_), engine.spec().shape, settled());
  return job_;
}

Napi::Value HiddenTask::result(Napi::Env env) { return to_array(env, job_->values().data(), job_->values().size()); }

std::shared_ptr<Job> ScoreTask::make_job(Engine&, JobInput input) {
  job_ = std::make_shared<ScoreJob>(std::move(input), settled());
  return job_;
}

Napi::Value ScoreTask::result(Napi::Env env) { return to_array(env, job_->losses().data(), job_->losses().size()); }

std::shared_ptr<Request> GenerateTask::make_job(Engine& engine, JobInput input) {
  job_ = std::make_shared<Request>(
      std::move(input), std::move(options_), engine.spec().shape.vocabulary,
      [this](int32_t token, std::span<const TokenLogprob> logprobs) { on_token(token, logprobs); }, settled());
  return job_;
}

void GenerateTask::on_token(int32_t token, std::span<const TokenLogprob> logprobs) {
  {
    std::lock_guard lock(mutex_);
    fresh_.push_back(token);
    fresh_logprobs_.insert(fresh_logprobs_.end(), logprobs.begin(), logprobs.end());
  }
  const int64_t now = monotonic_ns();
  if (now - last_news_ns_ < news_interval_ns_) return;  // the next token, or the end, brings it
  last_news_ns_ = now;
  mailbox().leave(*this);  // the engine rings when the step's other requests have theirs
}

void GenerateTask::news(Napi::Env env) {
  std::vector<int32_t> tokens;
  std::vector<TokenLogprob> logprobs;
  {
    std::lock_guard lock(mutex_);
    tokens.swap(fresh_);
    logprobs.swap(fresh_logprobs_);
  }
  if (tokens.empty()) return;
  if (logprobs.empty()) {
    on_tokens_.Call({to_array(env, tokens)});
    return;
  }
  auto ids = Napi::Int32Array::New(env, logprobs.size());
  auto values = Napi::Float32Array::New(env, logprobs.size());
  for (size_t i = 0; i < logprobs.size(); ++i) {
    ids[i] = logprobs[i].id;
    values[i] = logprobs[i].logprob;
  }
  on_tokens_.Call({to_array(env, tokens), ids, values});
}

Napi::Value GenerateTask::result(Napi::Env env) {
  const GenerateResult& from = job_->result();
  auto result = Napi::Object::New(env);
  result.Set("tokens", to_array(env, from.tokens));
  result.Set("finish", text(from.finish));
  result.Set("ttftNs", static_cast<double>(from.ttft_ns));
  result.Set("prefillNs", static_cast<double>(from.prefill_ns));
  result.Set("decodeNs", static_cast<double>(from.decode_ns));
  result.Set("cachedTokens", static_cast<double>(from.cached_tokens));
  result.Set("wireBytes", static_cast<double>(from.wire_bytes));
  if (from.state) result.Set("state", to_javascript(env, from.state));
  return result;
}

}  // namespace stateline::addon
