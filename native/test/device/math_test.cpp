// The polynomials of device/cpu/kernels/math.h against the C library in double precision.
#include <cmath>
#include <limits>

#include "device/cpu/dispatch.h"
#include "test/check.h"
#include "test/reference/ops.h"

namespace stateline::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Function = void (*)(const float*, float*, int64_t);

std::vector<float> apply(Function function, std::vector<float> in) {
  std::vector<float> out(in.size());
  function(in.data(), out.data(), static_cast<int64_t>(in.size()));
  return out;
}

// Largest relative error over `count` points from least to most.
double largest_error(Function function, double (*exact)(double), float least, float most, int count = 200001) {
  std::vector<float> in;
  for (int i = 0; i < count; ++i)
    in.push_back(least + (most - least) * static_cast<float>(i) / static_cast<float>(count - 1));
  const std::vector<float> out = apply(function, in);
  double worst = 0;
  for (int i = 0; i < count; ++i) {
    const double expected = exact(in[i]);
    const double error = expected == 0 ? std::abs(out[i]) : std::abs(out[i] - expected) / std::abs(expected);
    if (!(error <= worst)) worst = std::isnan(error) ? 1e30 : error;
  }
  return worst;
}

double two_to(double x) { return std::exp2(x); }

TEST("2^x is right to 4e-7, and to one unit in the last place where a state decays slowest") {
  CHECK_NEAR(largest_error(cpu::kernels().exp2, two_to, -126.0f, 127.0f), 0, 4e-7);
  CHECK_NEAR(largest_error(cpu::kernels().exp2, two_to, -0.01f, 0.01f), 0, 0x1p-23);
}

TEST("2^x is exact at whole numbers, next to nothing far below and infinite far above") {
  const std::vector<float> whole =
      apply(cpu::kernels().exp2, {0.0f, -0.0f, 1.0f, -1.0f, 10.0f, -126.0f, 127.0f, 128.0f, 1e9f, kInfinity});
  const float expected[] = {1, 1, 2, 0.5f, 1024, 0x1p-126f, 0x1p127f, kInfinity, kInfinity, kInfinity};
  for (size_t i = 0; i < whole.size(); ++i) CHECK_EQUAL(whole[i], expected[i]);
  for (const float x : {-126.5f, -151.0f, -1e9f, -kInfinity}) {
    CHECK_NEAR(apply(cpu::kernels().exp2, {x})[0], 0, 0x1p-126);
  }
}

TEST("softplus is right to 1e-6 near zero, to 5e-6 far below, and the identity above 20") {
  CHECK_NEAR(largest_error(cpu::kernels().softplus, reference::softplus, -8.0f, 30.0f), 0, 1e-6);
  CHECK_NEAR(largest_error(cpu::kernels().softplus, reference::softplus, -86.0f, 0.0f), 0, 5e-6);
  for (const float x : {20.001f, 25.5f, 1e4f, 3e38f, kInfinity}) CHECK_EQUAL(apply(cpu::kernels().softplus, {x})[0], x);
  for (const float x : {-200.0f, -1e30f, -kInfinity}) CHECK_NEAR(apply(cpu::kernels().softplus, {x})[0], 0, 1e-37);
}

TEST("silu is right to 1e-6 near zero and to 5e-6 far below") {
  CHECK_NEAR(largest_error(cpu::kernels().silu, reference::silu, -8.0f, 85.0f), 0, 1e-6);
  CHECK_NEAR(largest_error(cpu::kernels().silu, reference::silu, -85.0f, 0.0f), 0, 5e-6);
  CHECK_EQUAL(apply(cpu::kernels().silu, {0.0f})[0], 0.0f);
  CHECK_EQUAL(apply(cpu::kernels().silu, {1e30f})[0], 1e30f);
  CHECK_NEAR(apply(cpu::kernels().silu, {-1e4f})[0], 0, 1e-30);
  CHECK_EQUAL(apply(cpu::kernels().silu, {kInfinity})[0], kInfinity);
}

TEST("gelu is right to 1e-6, in the tail below zero too") {
  std::vector<float> in;
  for (int i = -120000; i <= 120000; ++i) in.push_back(static_cast<float>(i) * 1e-4f);
  const auto out = apply(cpu::kernels().gelu, in);
  double worst = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    worst = std::max(worst, std::abs(out[i] - reference::gelu(in[i])) / std::max(1.0, std::abs(double{in[i]})));
  }
  CHECK_NEAR(worst, 0, 1e-6);
  CHECK_EQUAL(apply(cpu::kernels().gelu, {1e15f})[0], 1e15f);
  CHECK_NEAR(apply(cpu::kernels().gelu, {-1e15f})[0], 0, 1e-6);
}

TEST("NaN goes through exp2, softplus, silu and gelu") {
  const auto& kernels = cpu::kernels();
  for (const Function function : {kernels.exp2, kernels.softplus, kernels.silu, kernels.gelu}) {
    CHECK(std::isnan(apply(function, {std::nanf("")})[0]));
  }
}

}  // namespace
}  // namespace stateline::test
