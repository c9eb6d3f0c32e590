// Products of many rows by cuBLAS, with a library of our own in its place, beside the kernels' own.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

std::vector<float> logits(const RandomModel& model, ComputeType type, const char* cublas) {
  setenv("STATELINE_CUBLAS", cublas, 1);
  auto spec = model.spec(2);
  spec.device = DeviceKind::cuda;
  spec.gpus = {0, 0};
  spec.compute_type = type;
  RunningEngine engine(spec);
  unsetenv("STATELINE_CUBLAS");
  return engine.forward(input(random_tokens(40, 301)));
}

int64_t products() {
  void* library = dlopen(FAKE_CUBLAS, RTLD_NOW | RTLD_LOCAL);
  CHECK(library != nullptr);
  const auto count = reinterpret_cast<int64_t (*)()>(dlsym(library, "fake_products"));
  return count();
}

TEST("products by cuBLAS give the kernels' logits, up to the rounding of activations to 16 bits") {
  const struct {
    ComputeType type;
    float tolerance;
  } cases[] = {{ComputeType::f32, 1e-4f}, {ComputeType::f16, 0.05f}, {ComputeType::bf16, 0.4f}};
  for (const auto& options : {RandomModelOptions{}, hybrid_model()}) {
    const RandomModel model(options);
    for (const auto& [type, tolerance] : cases) {
      const int64_t before = products();
      const auto actual = logits(model, type, FAKE_CUBLAS), expected = logits(model, type, "off");
      CHECK(products() > before);
      CHECK_EQUAL(actual.size(), expected.size());
      float worst = 0;
      for (size_t i = 0; i < actual.size(); ++i) {
        const float error = std::abs(actual[i] - expected[i]);
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
      CHECK(worst <= tolerance);
    }
  }
}

TEST("a file that is no cuBLAS is refused by name") {
  const RandomModel model;
  for (const char* file : {"/nowhere/libcublas.so.13", "libm.so.6"}) {
    CHECK_THROWS(logits(model, ComputeType::f32, file), "E_CUBLAS");
    unsetenv("STATELINE_CUBLAS");
  }
}

}  // namespace
}  // namespace stateline::test
