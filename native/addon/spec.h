// Specs of kernel/api/native.ts, read into the runtime's.
#pragma once

#include <napi.h>

#include "runtime/all_reduce_timer.h"
#include "runtime/engine_spec.h"

namespace stateline::addon {

// Each throws E_OPTION naming the field.
EngineSpec engine_spec(const Napi::Object& spec);
AllReduceTimerSpec all_reduce_timer_spec(const Napi::Object& spec);

}  // namespace stateline::addon
