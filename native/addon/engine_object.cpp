#include "addon/engine_object.h"

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/job_tasks.h"
#include "addon/promise_task.h"
#include "addon/span_columns.h"
#include "addon/state_value.h"
#include "runtime/error.h"

namespace stateline::addon {
namespace {

// Marks our objects, so that a method called on another one throws instead of reading foreign memory.
constexpr napi_type_tag kEngineTag = {0x8d1f3c5e72a94b60, 0x9be70c41d25f8a37};

JobInput job_input(const Napi::Object& job) {
  JobInput input;
  input.tag.job = integer_at(job, "job");
  input.tag.cell = int_at(job, "cell");
  input.tag.request = int_at(job, "request");
  input.tokens = tokens_at(job, "tokens");
  input.chunk = integer_at(job, "chunk");
  if (job.Has("state")) input.state = state_from(job.Get("state"));
  return input;
}

GenerateOptions generate_options(const Napi::Object& job) {
  const auto sampling = object_at(job, "sampling");
  GenerateOptions options;
  options.max_new_tokens = integer_at(job, "maxNewTokens");
  options.stop_tokens = tokens_at(job, "stopTokens");
  options.seen_tokens = tokens_at(job, "seenTokens");
  options.keep_state = boolean_at(job, "keepState");
  options.use_cache = boolean_at(job, "useCache");
  options.sampling.temperature = number_at(sampling, "temperature");
  options.sampling.top_k = integer_at(sampling, "topK");
  options.sampling.top_p = number_at(sampling, "topP");
  options.sampling.min_p = number_at(sampling, "minP");
  options.sampling.repetition_penalty = number_at(sampling, "repetitionPenalty");
  options.sampling.logprobs = integer_at(sampling, "logprobs");
  options.sampling.seed = static_cast<uint64_t>(integer_at(sampling, "seed"));  // any 64 bits do
  return options;
}

class CloseTask final : public PromiseTask {
 public:
  CloseTask(Napi::Env env, Mailbox& mailbox, EngineObject& engine, const Napi::Object& object)
      : PromiseTask(env, mailbox), engine_(engine), object_(Napi::Persistent(object)) {}

 private:
  Napi::Value result(Napi::Env env) override {
    engine_.release();
    return env.Undefined();
  }

  EngineObject& engine_;
  Napi::ObjectReference object_;
};

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(env, "NativeEngine",
                     {
                         InstanceMethod<&EngineObject::forward>("forward"),
                         InstanceMethod<&EngineObject::hidden>("hidden"),
                         InstanceMethod<&EngineObject::score>("score"),
                         InstanceMethod<&EngineObject::generate>("generate"),
                         InstanceMethod<&EngineObject::cancel>("cancel"),
                         InstanceMethod<&EngineObject::record>("record"),
                         InstanceMethod<&EngineObject::drain>("drain"),
                         InstanceMethod<&EngineObject::buffered>("buffered"),
                         InstanceMethod<&EngineObject::span_cost>("spanCost"),
                         InstanceMethod<&EngineObject::link>("link"),
                         InstanceMethod<&EngineObject::memory>("memory"),
                         InstanceMethod<&EngineObject::cache_stats>("cacheStats"),
                         InstanceMethod<&EngineObject::clock_errors>("clockErrors"),
                         InstanceMethod<&EngineObject::close>("close"),
                     });
}

EngineObject::EngineObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<EngineObject>(info),
      environment_(&Environment::of(info.Env())),
      engine_(environment_->take_arriving()) {
  if (!engine_) throw Napi::TypeError::New(info.Env(), "engines are made by loadEngine");
  info.This().As<Napi::Object>().TypeTag(&kEngineTag);
  environment_->add(this);
}

EngineObject::~EngineObject() {
  if (environment_) environment_->remove(this);
}

void EngineObject::check_type(const Napi::CallbackInfo& info) {
  if (!info.This().As<Napi::Object>().CheckTypeTag(&kEngineTag)) {
    throw Napi::TypeError::New(info.Env(), "this is not a NativeEngine");
  }
}

Engine& EngineObject::engine(const Napi::CallbackInfo& info) {
  check_type(info);
  if (!engine_) throw ClosedError();
  return *engine_;
}

template <class Task, class... Arguments>
Napi::Value EngineObject::submit(const Napi::CallbackInfo& info, Arguments&&... arguments) {
  check_type(info);
  JobInput input = job_input(object_argument(info, 0, "job"));
  Mailbox& mailbox = environment_->mailbox();
  Task& task = mailbox.adopt(std::make_unique<Task>(info.Env(), mailbox, info.This().As<Napi::Object>(),
                                                    std::forward<Arguments>(arguments)...));
  const Napi::Promise promise = task.promise();
  try {
    Engine& target = engine(info);
    target.check(input);
    target.submit(task.make_job(target, std::move(input)));
  } catch (...) {
    task.done(std::current_exception());
  }
  return promise;
}

Napi::Value EngineObject::forward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return submit<ForwardTask>(info); });
}

Napi::Value EngineObject::hidden(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::vector<int32_t> layers = tokens_at(object_argument(info, 0, "job"), "layers");
    return submit<HiddenTask>(info, std::move(layers));
  });
}

Napi::Value EngineObject::score(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return submit<ScoreTask>(info); });
}

Napi::Value EngineObject::generate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto job = object_argument(info, 0, "job");
    const auto on_tokens = function_argument(info, 1, "onTokens");
    return submit<GenerateTask>(info, on_tokens, generate_options(job), integer_at(job, "newsIntervalMs"));
  });
}

void EngineObject::cancel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    check_type(info);
    const int64_t job = integer_argument(info, 0, "job");
    if (engine_) engine_->cancel(job);
  });
}

void EngineObject::record(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    constexpr int64_t kMost = int64_t{1} << 32;
    const bool on = boolean_argument(info, 0, "on");
    const int64_t capacity = integer_argument(info, 1, "capacity");
    if (capacity < (on ? 1 : 0) || capacity > kMost) {
      throw Error("E_OPTION", "capacity must be 1 to 2^32 spans, got " + std::to_string(capacity),
                  {{"option", "capacity"}, {"value", std::to_string(capacity)}});
    }
    engine(info).record(on, static_cast<size_t>(capacity));
  });
}

Napi::Value EngineObject::drain(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return span_columns(info.Env(), engine(info).drain()); });
}

Napi::Value EngineObject::buffered(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(engine(info).buffered()));
  });
}

Napi::Value EngineObject::span_cost(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), engine(info).span_cost()); });
}

Napi::Value EngineObject::link(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::String::New(info.Env(), engine(info).link()); });
}

Napi::Value EngineObject::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto ranks = engine(info).memory();
    auto column = [&](size_t Rank::Memory::*part) {
      auto array = Napi::Array::New(info.Env(), ranks.size());
      for (uint32_t i = 0; i < ranks.size(); ++i) array.Set(i, static_cast<double>(ranks[i].*part));
      return array;
    };
    auto memory = Napi::Object::New(info.Env());
    memory.Set("weights", column(&Rank::Memory::weights));
    memory.Set("state", column(&Rank::Memory::state));
    memory.Set("activations", column(&Rank::Memory::activations));
    memory.Set("wire", column(&Rank::Memory::wire));
    return memory;
  });
}

Napi::Value EngineObject::cache_stats(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    constexpr const char* kReasons[kCacheMisses] = {"bypassed", "tooShort", "empty", "diverged", "evicted", "noState"};
    const CacheStatistics from = engine(info).cache_statistics();
    auto stats = Napi::Object::New(info.Env());
    const auto set = [](Napi::Object to, const char* name, int64_t value) { to.Set(name, static_cast<double>(value)); };
    set(stats, "budget", from.budget);
    set(stats, "bytes", from.bytes);
    set(stats, "states", from.states);
    set(stats, "interval", from.interval);
    set(stats, "lookups", from.lookups);
    set(stats, "hits", from.hits);
    set(stats, "partialHits", from.partial_hits);
    set(stats, "tokensReused", from.tokens_reused);
    set(stats, "tokensComputed", from.tokens_computed);
    set(stats, "kept", from.kept);
    set(stats, "evictions", from.evictions);
    set(stats, "tooLarge", from.too_large);
    auto misses = Napi::Object::New(info.Env());
    for (size_t i = 0; i < kCacheMisses; ++i) set(misses, kReasons[i], from.misses[i]);
    stats.Set("misses", misses);
    if (from.last_miss >= 0) {
      auto last = Napi::Object::New(info.Env());
      last.Set("reason", kReasons[from.last_miss]);
      set(last, "token", from.last_miss_token);
      stats.Set("lastMiss", last);
    }
    return stats;
  });
}

Napi::Value EngineObject::clock_errors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto errors = Napi::Array::New(info.Env());
    for (const int64_t error : engine(info).clock_errors()) errors.Set(errors.Length(), static_cast<double>(error));
    return errors;
  });
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    check_type(info);
    Mailbox& mailbox = environment_->mailbox();
    PromiseTask& task =
        mailbox.adopt(std::make_unique<CloseTask>(info.Env(), mailbox, *this, info.This().As<Napi::Object>()));
    const Napi::Promise promise = task.promise();
    if (engine_) {
      engine_->close([&task] { task.done(nullptr); });
    } else {
      task.done(nullptr);
    }
    return promise;
  });
}

}  // namespace stateline::addon
