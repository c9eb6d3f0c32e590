#include "addon/environment.h"

#include "addon/engine_object.h"

namespace stateline::addon {

// Cleanup hooks run last in, first out: this one, added after the mailbox has made its thread-safe function, runs
// before that is torn down.
Environment::Environment(Napi::Env env)
    : env_(env), mailbox_(env), engine_class_(Napi::Persistent(EngineObject::define(env))) {
  env.AddCleanupHook([](Environment* environment) { environment->shut_down(); }, this);
}

Napi::Object Environment::wrap(std::unique_ptr<Engine> engine) {
  arriving_ = std::move(engine);
  return engine_class_.New({});
}

void Environment::shut_down() {
  for (EngineObject* engine : engines_) {
    engine->release();
    engine->leave_environment();
  }
  mailbox_.close();  // ends loads and measurements, whose tasks own their threads
  engine_class_.Reset();
}

}  // namespace stateline::addon
