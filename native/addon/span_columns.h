// Spans as the typed arrays of SpanColumns in kernel/api/native.ts.
#pragma once

#include <napi.h>

#include "runtime/engine.h"

namespace stateline::addon {

Napi::Object span_columns(Napi::Env env, const DrainedSpans& drained);
Napi::Object span_names(Napi::Env env);

}  // namespace stateline::addon
