// What one JavaScript environment (the main thread, a worker, a Jest file) holds: nothing is static, so that several
// may load the addon and each may end on its own.
#pragma once

#include <napi.h>

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "addon/mailbox.h"
#include "runtime/engine.h"

namespace stateline::addon {

class EngineObject;

class Environment {
 public:
  explicit Environment(Napi::Env env);
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  Mailbox& mailbox() { return mailbox_; }

  // What ends a load or a measurement early, by its job.
  std::map<int64_t, std::function<void()>>& cancels() { return cancels_; }

  // Wraps a loaded engine for JavaScript.
  Napi::Object wrap(std::unique_ptr<Engine> engine);
  // For the wrapper's constructor: the engine that wrap() passes, null if JavaScript called it.
  std::unique_ptr<Engine> take_arriving() { return std::move(arriving_); }

  void add(EngineObject* engine) { engines_.insert(engine); }
  void remove(EngineObject* engine) { engines_.erase(engine); }

 private:
  // The environment ends: waits for all engine threads while the mailbox still stands.
  void shut_down();

  Napi::Env env_;
  Mailbox mailbox_;
  Napi::FunctionReference engine_class_;
  std::unique_ptr<Engine> arriving_;
  std::map<int64_t, std::function<void()>> cancels_;
  std::set<EngineObject*> engines_;
};

}  // namespace stateline::addon
