#include "test/check.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/error.h"

namespace stateline::test {
namespace {

constexpr int kPrintedFailures = 5;  // of a case

struct Run {
  Case* first = nullptr;
  Case** end = &first;
  int failures = 0;  // of the running case
  std::vector<std::string> contexts;
};

Run& run() {
  static Run state;
  return state;
}

// Runs one case; true if it passed.
bool passes(const Case& test) {
  run().failures = 0;
  try {
    test.run();
  } catch (const Error& error) {
    fail("(thrown)", 0, error.code + ": " + error.message);
  } catch (const std::exception& error) {
    fail("(thrown)", 0, error.what());
  }
  if (run().failures > kPrintedFailures) std::printf("      and %d more\n", run().failures - kPrintedFailures);
  std::printf("%s  %s\n", run().failures ? "FAIL" : "ok  ", test.name);
  return run().failures == 0;
}

}  // namespace

Case::Case(const char* name, void (*run_case)()) : name(name), run(run_case), next(nullptr) {
  Run& all = stateline::test::run();
  *all.end = this;
  all.end = &next;
}

void fail(const char* file, int line, const std::string& what) {
  if (++run().failures > kPrintedFailures) return;
  std::printf("      %s:%d: %s\n", file, line, what.c_str());
  for (const std::string& context : run().contexts) std::printf("        with %s\n", context.c_str());
}

uint64_t seed() {
  static const uint64_t value = [] {
    const char* given = std::getenv("STATELINE_TEST_SEED");
    return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }();
  return value;
}

std::mt19937_64 random(uint64_t stream) { return std::mt19937_64(seed() * 0x9e3779b97f4a7c15ull + stream); }

Context::Context(std::string text) { run().contexts.push_back(std::move(text)); }
Context::~Context() { run().contexts.pop_back(); }

}  // namespace stateline::test

int main(int count, char** arguments) {
  using namespace stateline::test;
  const char* wanted = count > 1 ? arguments[1] : "";
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a case that hangs is the one after the last line
  int passed = 0, failed = 0;
  for (const Case* test = run().first; test; test = test->next) {
    if (std::strstr(test->name, wanted)) ++(passes(*test) ? passed : failed);
  }
  if (failed) std::printf("STATELINE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed ? 1 : 0;
}
