#include "addon/arguments.h"

#include <cmath>
#include <limits>

#include "runtime/error.h"

namespace stateline::addon {
namespace {

[[noreturn]] void refuse(const char* name, const char* kind) {
  throw Error("E_OPTION", std::string(name) + " must be " + kind, {{"option", name}});
}

int64_t to_integer(const Napi::Value& value, const char* name) {
  constexpr double kMost = 9007199254740991;  // 2^53 - 1
  if (!value.IsNumber()) refuse(name, "an integer");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(std::abs(number) <= kMost) || std::trunc(number) != number) refuse(name, "an integer");
  return static_cast<int64_t>(number);
}

}  // namespace

bool boolean_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) refuse(name, "true or false");
  return value.As<Napi::Boolean>();
}

double number_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) refuse(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_at(const Napi::Object& object, const char* name) { return to_integer(object.Get(name), name); }

// What bounds the value has is the runtime's to say; this keeps a large one from wrapping into them.
int int_at(const Napi::Object& object, const char* name) {
  const int64_t value = integer_at(object, name);
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    throw Error("E_OPTION", std::string(name) + " is out of range: " + std::to_string(value),
                {{"option", name}, {"value", std::to_string(value)}});
  }
  return static_cast<int>(value);
}

std::string string_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) refuse(name, "a string");
  return value.As<Napi::String>();
}

Napi::Object object_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) refuse(name, "an object");
  return value.As<Napi::Object>();
}

Napi::Array array_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) refuse(name, "an array");
  return value.As<Napi::Array>();
}

std::vector<int32_t> tokens_at(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    refuse(name, "an Int32Array");
  }
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

Napi::Object object_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsObject()) refuse(name, "an object");
  return info[index].As<Napi::Object>();
}

Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsFunction()) refuse(name, "a function");
  return info[index].As<Napi::Function>();
}

int64_t integer_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  return to_integer(info[index], name);
}

bool boolean_argument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsBoolean()) refuse(name, "true or false");
  return info[index].As<Napi::Boolean>();
}

}  // namespace stateline::addon
