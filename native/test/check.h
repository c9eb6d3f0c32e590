// A test program in one page: cases with a sentence for a name, checks that say what differed, one seed for all.
//
//   TEST("a step of no tokens leaves the state alone") {
//     CHECK_EQUAL(state[0], 1.0f);
//   }
//
// Run with part of a name to run those cases only; STATELINE_TEST_SEED repeats a failed run.
#pragma once

#include <cstdint>
#include <random>
#include <sstream>
#include <string>

namespace stateline::test {

struct Case {
  Case(const char* name, void (*run)());
  const char* name;
  void (*run)();
  Case* next;
};

// Notes a failure of the running case and goes on; after a few of one case the rest are only counted.
void fail(const char* file, int line, const std::string& what);

// The seed of this run, new with every run unless STATELINE_TEST_SEED gives it; printed when something fails.
uint64_t seed();

// A generator that depends on the seed and on `stream` alone.
std::mt19937_64 random(uint64_t stream);

// Says what a failure was about, for as long as it lives: shapes, threads, types.
class Context {
 public:
  explicit Context(std::string text);
  ~Context();
};

template <class T>
std::string text(const T& value) {
  std::ostringstream out;
  out.precision(9);
  out << value;
  return out.str();
}

}  // namespace stateline::test

#define STATELINE_JOIN_(a, b) a##b
#define STATELINE_JOIN(a, b) STATELINE_JOIN_(a, b)
#define TEST(sentence) STATELINE_TEST_(sentence, STATELINE_JOIN(test_, __LINE__))
#define STATELINE_TEST_(sentence, id)                                     \
  static void id();                                                       \
  static ::stateline::test::Case STATELINE_JOIN(id, _case)(sentence, id); \
  static void id()

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) ::stateline::test::fail(__FILE__, __LINE__, #condition); \
  } while (0)

#define CHECK_EQUAL(actual, expected)                                                                          \
  do {                                                                                                         \
    const auto actual_ = (actual);                                                                             \
    const auto expected_ = (expected);                                                                         \
    if (!(actual_ == expected_)) {                                                                             \
      ::stateline::test::fail(__FILE__, __LINE__,                                                              \
                              std::string(#actual " is ") + ::stateline::test::text(actual_) + ", expected " + \
                                  ::stateline::test::text(expected_));                                         \
    }                                                                                                          \
  } while (0)

// |actual - expected| ≤ tolerance; NaN is never near.
#define CHECK_NEAR(actual, expected, tolerance)                                                                      \
  do {                                                                                                               \
    const double actual_ = (actual), expected_ = (expected), tolerance_ = (tolerance);                               \
    const double distance_ = actual_ > expected_ ? actual_ - expected_ : expected_ - actual_;                        \
    if (!(distance_ <= tolerance_)) {                                                                                \
      ::stateline::test::fail(__FILE__, __LINE__,                                                                    \
                              std::string(#actual " is ") + ::stateline::test::text(actual_) + ", expected " +       \
                                  ::stateline::test::text(expected_) + " ± " + ::stateline::test::text(tolerance_)); \
    }                                                                                                                \
  } while (0)

// Passes when `statement` throws a stateline::Error of that code.
#define CHECK_THROWS(statement, expected_code)                                                                     \
  do {                                                                                                             \
    std::string code_ = "nothing";                                                                                 \
    try {                                                                                                          \
      statement;                                                                                                   \
    } catch (const ::stateline::Error& error_) {                                                                   \
      code_ = error_.code;                                                                                         \
    }                                                                                                              \
    if (code_ != (expected_code)) {                                                                                \
      ::stateline::test::fail(__FILE__, __LINE__, #statement " threw " + code_ + ", expected " + (expected_code)); \
    }                                                                                                              \
  } while (0)
