// EngineSpec of kernel/api/native.ts, read into the runtime's.
#pragma once

#include <napi.h>

#include "runtime/engine_spec.h"

namespace stateline::addon {

// Throws E_OPTION naming the field.
EngineSpec engine_spec(const Napi::Object& spec);

}  // namespace stateline::addon
