#include "addon/load_task.h"

#include "addon/environment.h"

namespace stateline::addon {

LoadTask::~LoadTask() {
  engine_.reset();  // its threads report to this task
  Environment::of(env_).cancels().erase(job_);
}

void LoadTask::start(EngineSpec spec) {
  try {
    engine_ = std::make_unique<Engine>(
        std::move(spec),
        [this](int64_t bytes, int64_t total) {
          done_bytes_ = bytes;
          total_bytes_ = total;
          notify();
        },
        [this](std::exception_ptr error) { done(std::move(error)); }, [&mailbox = mailbox()] { mailbox.ring(); });
    Environment::of(env_).cancels()[job_] = [engine = engine_.get()] { engine->cancel_load(); };
  } catch (...) {
    done(std::current_exception());
  }
}

void LoadTask::news(Napi::Env env) {
  const int64_t bytes = done_bytes_;
  if (bytes == 0 || bytes <= reported_bytes_) return;
  reported_bytes_ = bytes;
  on_progress_.Call(
      {Napi::Number::New(env, static_cast<double>(bytes)), Napi::Number::New(env, static_cast<double>(total_bytes_))});
}

Napi::Value LoadTask::result(Napi::Env env) { return Environment::of(env).wrap(std::move(engine_)); }

}  // namespace stateline::addon
