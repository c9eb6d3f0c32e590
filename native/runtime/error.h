// The one exception type that crosses the addon: a stable code, what happened and what to do, and the values involved.
#pragma once

#include <exception>
#include <map>
#include <string>
#include <utility>

namespace stateline {

struct Error : std::exception {
  std::string code;                            // stable, E_…; kernel/api/errors.ts maps it to a class
  std::string message;                         // what, which, value, what to do
  std::map<std::string, std::string> details;  // the offending names and values

  Error(std::string code, std::string message, std::map<std::string, std::string> details = {})
      : code(std::move(code)), message(std::move(message)), details(std::move(details)) {}

  const char* what() const noexcept override { return message.c_str(); }
};

// Of whatever is asked of a model after close().
struct ClosedError : Error {
  ClosedError() : Error("E_CLOSED", "the model is closed") {}
};

}  // namespace stateline
