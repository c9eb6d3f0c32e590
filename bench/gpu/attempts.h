// What fails leaves the others their turn, and is told on stderr.
#pragma once

#include <cstdio>
#include <string>

#include "runtime/error.h"

struct Attempts {
  int failed = 0;

  template <class Run>
  void operator()(const std::string& what, const Run& run) {
    try {
      run();
    } catch (const stateline::Error& error) {
      std::fprintf(stderr, "%s: %s: %s\n", what.c_str(), error.code.c_str(), error.message.c_str());
      ++failed;
    }
  }
};
