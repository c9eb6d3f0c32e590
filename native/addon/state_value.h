// The state of a sequence as JavaScript holds it: opaque, shared by whoever goes on from it, freed with the last.
#pragma once

#include <napi.h>

#include <memory>

#include "runtime/sequence_state.h"

namespace stateline::addon {

Napi::Value to_javascript(Napi::Env env, std::shared_ptr<const SequenceState> state);
// Throws E_OPTION when `value` is no state.
std::shared_ptr<const SequenceState> state_from(const Napi::Value& value);

// stateArrays(state): StateArrays of kernel/api/native.ts, copies.
Napi::Value state_arrays(const Napi::CallbackInfo& info);
// stateOf(arrays): a state of these values.
Napi::Value state_of(const Napi::CallbackInfo& info);

}  // namespace stateline::addon
