// The floors do the work they count, or ops would be measured against nothing.
#include "device/cpu/floors.h"

#include <cmath>

#include "device/cpu/dispatch.h"
#include "runtime/error.h"
#include "test/check.h"

namespace stateline::test {
namespace {

constexpr int64_t kRounds = 100;

TEST("the floor of products multiplies and adds as often as it says") {
  for (const int type : {0, 1}) {
    int64_t flops = 0;
    const float sum = cpu::kernels().multiply_add[type](kRounds, &flops);
    CHECK(flops > kRounds);
    CHECK_EQUAL(sum, 0.5f * 0.25f * static_cast<float>(flops) / 2);
  }
  int64_t flops = 0;
  CHECK_EQUAL(cpu::kernels().multiply_add[2](kRounds, &flops), 2 * static_cast<float>(flops) / 2);
}

TEST("the floor of a scan brings as many states on as it says") {
  double expected = 0;
  for (int i = 0; i < 4; ++i) {
    double state = 0;
    for (int64_t round = 0; round < kRounds; ++round) {
      state = std::exp2(-0.1 * (1 + i)) * state + 0.5 * (1 + i);
      expected += 0.25 * state;
    }
  }
  int64_t states = 0;
  const float sum = cpu::kernels().update_states(kRounds, &states);
  const double lanes = static_cast<double>(states) / (4 * kRounds);
  CHECK(lanes >= 4);
  CHECK_NEAR(sum / (lanes * expected), 1, 1e-5);
}

TEST("floors are measured with any number of threads, and measuring can be cancelled") {
  std::atomic<bool> cancelled = false;
  const cpu::Floors floors = cpu::measure_floors(3, cancelled);
  for (const double rate : {floors.read_bytes_per_second, floors.flops_per_second[0], floors.flops_per_second[1],
                            floors.flops_per_second[2], floors.states_per_second}) {
    CHECK(std::isfinite(rate) && rate > 1e5);
  }
  cancelled = true;
  CHECK_THROWS(cpu::measure_floors(1, cancelled), "E_ABORTED");
}

}  // namespace
}  // namespace stateline::test
