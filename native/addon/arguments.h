// JavaScript values read with their names, so that a wrong one says which it is. kernel/api checks what users pass;
// these checks keep a mistake of ours from becoming a crash.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace stateline::addon {

// Each throws E_OPTION when `object[name]` is of another kind.
bool boolean_at(const Napi::Object& object, const char* name);
double number_at(const Napi::Object& object, const char* name);
int64_t integer_at(const Napi::Object& object, const char* name);  // |value| < 2^53
int int_at(const Napi::Object& object, const char* name);
std::string string_at(const Napi::Object& object, const char* name);
Napi::Object object_at(const Napi::Object& object, const char* name);
Napi::Array array_at(const Napi::Object& object, const char* name);
std::vector<int32_t> tokens_at(const Napi::Object& object, const char* name);  // Int32Array

// Positional arguments.
Napi::Object object_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
Napi::Function function_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
int64_t integer_argument(const Napi::CallbackInfo& info, size_t index, const char* name);
bool boolean_argument(const Napi::CallbackInfo& info, size_t index, const char* name);

}  // namespace stateline::addon
