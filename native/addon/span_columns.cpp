#include "addon/span_columns.h"

#include "trace/names.h"

namespace stateline::addon {
namespace {

// value(span, rank) for all spans, rank after rank.
template <class Array, class Value>
Array column(Napi::Env env, const DrainedSpans& drained, size_t count, Value value) {
  auto array = Array::New(env, count);
  auto* out = array.Data();
  for (size_t rank = 0; rank < drained.ranks.size(); ++rank) {
    for (const Span& span : drained.ranks[rank]) {
      *out++ = static_cast<std::remove_pointer_t<decltype(array.Data())>>(value(span, rank));
    }
  }
  return array;
}

Napi::Array texts(Napi::Env env, std::span<const std::string_view> names) {
  auto array = Napi::Array::New(env, names.size());
  for (uint32_t i = 0; i < names.size(); ++i) array.Set(i, Napi::String::New(env, names[i].data(), names[i].size()));
  return array;
}

}  // namespace

Napi::Object span_columns(Napi::Env env, const DrainedSpans& drained) {
  size_t count = 0;
  for (const auto& spans : drained.ranks) count += spans.size();
  auto columns = Napi::Object::New(env);
  auto big = [&](const char* name, auto value) {
    columns.Set(name, column<Napi::BigInt64Array>(env, drained, count, value));
  };
  auto int32 = [&](const char* name, auto value) {
    columns.Set(name, column<Napi::Int32Array>(env, drained, count, value));
  };
  auto int16 = [&](const char* name, auto value) {
    columns.Set(name, column<Napi::Int16Array>(env, drained, count, value));
  };
  auto uint16 = [&](const char* name, auto value) {
    columns.Set(name, column<Napi::Uint16Array>(env, drained, count, value));
  };
  auto code = [&](const char* name, auto value) {
    columns.Set(name, column<Napi::Uint8Array>(env, drained, count, value));
  };

  columns.Set("count", static_cast<double>(count));
  columns.Set("lost", static_cast<double>(drained.lost));
  big("startNs", [](const Span& span, size_t) { return span.begin; });
  big("durNs", [](const Span& span, size_t) { return span.end - span.begin; });
  big("flops", [](const Span& span, size_t) { return span.flops; });
  big("bytes", [](const Span& span, size_t) { return span.bytes; });
  big("wireBytes", [](const Span& span, size_t) { return span.wire_bytes; });
  big("seq", [](const Span& span, size_t) { return span.seq; });
  int32("step", [](const Span& span, size_t) { return span.step; });
  int32("tokens", [](const Span& span, size_t) { return span.tokens; });
  int32("sequences", [](const Span& span, size_t) { return span.sequences; });
  int32("cell", [](const Span& span, size_t) { return span.cell; });
  int32("request", [](const Span& span, size_t) { return span.request; });
  int16("layer", [](const Span& span, size_t) { return span.layer; });
  int16("group", [](const Span& span, size_t) { return span.group; });
  uint16("rank", [](const Span&, size_t rank) { return rank; });
  uint16("stream", [](const Span& span, size_t) { return span.stream; });
  code("name", [](const Span& span, size_t) { return span.op; });
  code("kind", [](const Span& span, size_t) { return kind_of(span.op); });
  code("phase", [](const Span& span, size_t) { return span.phase; });
  code("wireType", [](const Span& span, size_t) { return span.wire_type; });
  code("algorithm", [](const Span& span, size_t) { return span.algorithm; });
  return columns;
}

Napi::Object span_names(Napi::Env env) {
  auto names = Napi::Object::New(env);
  names.Set("name", texts(env, op_names()));
  names.Set("kind", texts(env, kind_names()));
  names.Set("phase", texts(env, phase_names()));
  names.Set("wireType", texts(env, wire_type_names()));
  names.Set("algorithm", texts(env, algorithm_names()));
  return names;
}

}  // namespace stateline::addon
