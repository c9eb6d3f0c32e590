// NativeEngine of kernel/api/native.ts: reads arguments, submits jobs, hands out columns.
#pragma once

#include <napi.h>

#include <memory>

#include "runtime/engine.h"

namespace stateline::addon {

class Environment;

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);

  // Only Environment::wrap constructs one; JavaScript gets a TypeError.
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

  // Ends the engine, waiting for its threads. Idempotent.
  void release() { engine_.reset(); }
  // The environment ends before this object is collected.
  void leave_environment() { environment_ = nullptr; }

 private:
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value hidden(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  void record(const Napi::CallbackInfo& info);
  Napi::Value drain(const Napi::CallbackInfo& info);
  Napi::Value buffered(const Napi::CallbackInfo& info);
  Napi::Value span_cost(const Napi::CallbackInfo& info);
  Napi::Value link(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value cache_stats(const Napi::CallbackInfo& info);
  Napi::Value clock_errors(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  // Throws E_CLOSED after close, TypeError if `this` is another kind of object.
  Engine& engine(const Napi::CallbackInfo& info);
  void check_type(const Napi::CallbackInfo& info);
  // Makes a Task that keeps this object alive, and submits the job it makes; returns its promise.
  template <class Task, class... Arguments>
  Napi::Value submit(const Napi::CallbackInfo& info, Arguments&&... arguments);

  Environment* environment_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace stateline::addon
