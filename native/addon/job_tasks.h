// The promises of an engine's jobs and requests. Each makes its own, and turns the result into JavaScript's.
#pragma once

#include <napi.h>

#include <memory>
#include <span>
#include <vector>

#include "addon/promise_task.h"
#include "runtime/engine.h"
#include "runtime/forward_job.h"
#include "runtime/hidden_job.h"
#include "runtime/request.h"
#include "runtime/score_job.h"

namespace stateline::addon {

// `engine`: the JavaScript object, kept from the garbage collector while the job is pending.
class JobTask : public PromiseTask {
 public:
  JobTask(Napi::Env env, Mailbox& mailbox, const Napi::Object& engine)
      : PromiseTask(env, mailbox), engine_(Napi::Persistent(engine)) {}

 protected:
  Job::Settled settled() {
    return [this](std::exception_ptr error) { done(std::move(error)); };
  }

 private:
  Napi::ObjectReference engine_;
};

class ForwardTask final : public JobTask {
 public:
  using JobTask::JobTask;
  std::shared_ptr<Job> make_job(Engine& engine, JobInput input);

 private:
  Napi::Value result(Napi::Env env) override;  // Float32Array [tokens × vocabulary]
  std::shared_ptr<ForwardJob> job_;
};

class HiddenTask final : public JobTask {
 public:
  HiddenTask(Napi::Env env, Mailbox& mailbox, const Napi::Object& engine, std::vector<int32_t> layers)
      : JobTask(env, mailbox, engine), layers_(std::move(layers)) {}
  std::shared_ptr<Job> make_job(Engine& engine, JobInput input);

 private:
  Napi::Value result(Napi::Env env) override;  // Float32Array [layers × tokens × h]
  std::vector<int32_t> layers_;
  std::shared_ptr<HiddenJob> job_;
};

class ScoreTask final : public JobTask {
 public:
  using JobTask::JobTask;
  std::shared_ptr<Job> make_job(Engine& engine, JobInput input);

 private:
  Napi::Value result(Napi::Env env) override;  // Float32Array [tokens - 1]
  std::shared_ptr<ScoreJob> job_;
};

// Tokens reach JavaScript at most once in `news_interval_ms`: waking it for each would take the cores from the ranks.
class GenerateTask final : public JobTask {
 public:
  GenerateTask(Napi::Env env, Mailbox& mailbox, const Napi::Object& engine, const Napi::Function& on_tokens,
               GenerateOptions options, int64_t news_interval_ms)
      : JobTask(env, mailbox, engine),
        on_tokens_(Napi::Persistent(on_tokens)),
        options_(std::move(options)),
        news_interval_ns_(news_interval_ms * 1'000'000) {}
  std::shared_ptr<Request> make_job(Engine& engine, JobInput input);

 private:
  void on_token(int32_t token, std::span<const TokenLogprob> logprobs);  // the deciding rank's thread
  void news(Napi::Env env) override;                                     // calls on_tokens
  void interrupted() override { job_->cancel(); }
  Napi::Value result(Napi::Env env) override;  // GenerateResult

  Napi::FunctionReference on_tokens_;
  GenerateOptions options_;
  int64_t news_interval_ns_;
  std::shared_ptr<Request> job_;
  int64_t last_news_ns_ = 0;  // the deciding rank's
  std::mutex mutex_;
  std::vector<int32_t> fresh_;
  std::vector<TokenLogprob> fresh_logprobs_;  // as many a token
};

}  // namespace stateline::addon
