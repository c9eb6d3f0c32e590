#include "addon/state_value.h"

#include <algorithm>
#include <string>

#include "addon/arguments.h"
#include "addon/errors.h"
#include "runtime/error.h"

namespace stateline::addon {
namespace {

using Shared = std::shared_ptr<const SequenceState>;

// Marks our values, so that another external is refused instead of read.
constexpr napi_type_tag kStateTag = {0x51c7e0f2ab9d4386, 0xa2d4906b7fe8135c};

Napi::Float32Array array(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::ranges::copy(values, array.Data());
  return array;
}

// [layers, tokens, columns] of parts that have [layers, their tokens, columns].
Napi::Float32Array array(Napi::Env env, const SequenceState& state, std::vector<float> KeysValues::*values) {
  size_t size = 0;
  for (const KeysValues* part = state.kv.get(); part; part = part->before.get()) size += (part->*values).size();
  auto array = Napi::Float32Array::New(env, size);
  // The last part knows how many: one that came from JavaScript, which is the first, says 1.
  const int64_t layers = state.kv ? state.kv->layers : 1;
  for (const KeysValues* part = state.kv.get(); part; part = part->before.get()) {
    if (part->tokens == 0) continue;
    const int64_t run = static_cast<int64_t>((part->*values).size()) / layers;  // of a layer
    const int64_t columns = run / part->tokens;
    for (int64_t layer = 0; layer < layers; ++layer) {
      std::copy_n((part->*values).data() + layer * run, run,
                  array.Data() + (layer * state.tokens + part->first) * columns);
    }
  }
  return array;
}

std::vector<float> floats_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Error("E_OPTION", std::string(name) + " must be a Float32Array", {{"option", name}});
  }
  const auto array = value.As<Napi::Float32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

}  // namespace

Napi::Value to_javascript(Napi::Env env, std::shared_ptr<const SequenceState> state) {
  const int64_t bytes = static_cast<int64_t>(state->bytes());
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);  // so that collection knows what an unused state weighs
  auto value = Napi::External<Shared>::New(env, new Shared(std::move(state)), [bytes](Napi::Env env, Shared* held) {
    delete held;
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
  });
  value.TypeTag(&kStateTag);
  return value;
}

std::shared_ptr<const SequenceState> state_from(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Napi::External<Shared>>().CheckTypeTag(&kStateTag)) {
    throw Error("E_OPTION", "state must be one that a job kept", {{"option", "state"}});
  }
  return *value.As<Napi::External<Shared>>().Data();
}

Napi::Value state_arrays(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto state = state_from(info[0]);
    auto arrays = Napi::Object::New(info.Env());
    arrays.Set("tokens", static_cast<double>(state->tokens));
    arrays.Set("conv", array(info.Env(), state->conv));
    arrays.Set("ssm", array(info.Env(), state->ssm));
    arrays.Set("keys", array(info.Env(), *state, &KeysValues::keys));
    arrays.Set("values", array(info.Env(), *state, &KeysValues::values));
    return arrays;
  });
}

Napi::Value state_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto from = object_argument(info, 0, "arrays");
    auto state = std::make_shared<SequenceState>();
    state->tokens = integer_at(from, "tokens");
    state->conv = floats_at(from, "conv");
    state->ssm = floats_at(from, "ssm");
    auto kv = std::make_shared<KeysValues>();
    kv->tokens = state->tokens;
    kv->keys = floats_at(from, "keys");
    kv->values = floats_at(from, "values");
    if (!kv->keys.empty() || !kv->values.empty()) state->kv = std::move(kv);
    return to_javascript(info.Env(), std::move(state));
  });
}

}  // namespace stateline::addon
