// Errors on their way to JavaScript: an Error with `code` and `details`.
#pragma once

#include <napi.h>

#include <exception>

namespace stateline::addon {

Napi::Error to_javascript(Napi::Env env, const std::exception_ptr& error);

// Runs `body` and throws what it throws as a JavaScript error.
template <class Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_javascript(env, std::current_exception());
  }
}

}  // namespace stateline::addon
