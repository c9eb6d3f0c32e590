#include "addon/errors.h"

#include <new>

#include "runtime/error.h"

namespace stateline::addon {
namespace {

Napi::Error make(Napi::Env env, const std::string& message, const std::string& code) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.Set("details", Napi::Object::New(env));
  return error;
}

}  // namespace

Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    Napi::Error result = make(env, error.message, error.code);
    auto details = Napi::Object::New(env);
    for (const auto& [name, value] : error.details) details.Set(name, value);
    result.Set("details", details);
    return result;
  } catch (const std::bad_alloc&) {
    return make(env, "not enough memory: use fewer slots, a smaller chunk, or a smaller model", "E_OUT_OF_MEMORY");
  } catch (const std::exception& error) {
    return make(env, error.what(), "E_INTERNAL");
  } catch (...) {
    return make(env, "an unknown native exception", "E_INTERNAL");
  }
}

}  // namespace stateline::addon
