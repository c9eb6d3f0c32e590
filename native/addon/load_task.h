// The promise of loadEngine: owns the engine until it has loaded.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/promise_task.h"
#include "runtime/engine.h"

namespace stateline::addon {

class LoadTask final : public PromiseTask {
 public:
  LoadTask(Napi::Env env, Mailbox& mailbox, int64_t job, const Napi::Function& on_progress)
      : PromiseTask(env, mailbox), env_(env), job_(job), on_progress_(Napi::Persistent(on_progress)) {}
  ~LoadTask() override;

  void start(EngineSpec spec);

 private:
  void news(Napi::Env env) override;  // calls on_progress
  void interrupted() override { engine_->cancel_load(); }
  Napi::Value result(Napi::Env env) override;  // NativeEngine

  Napi::Env env_;
  int64_t job_;
  Napi::FunctionReference on_progress_;
  std::atomic<int64_t> done_bytes_{0};
  std::atomic<int64_t> total_bytes_{0};
  int64_t reported_bytes_ = -1;
  std::unique_ptr<Engine> engine_;
};

}  // namespace stateline::addon
