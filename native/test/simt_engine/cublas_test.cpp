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
  setenv("STATELINE_CUBLAS", "off", 1);
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

// What so many requests at once write that products are cuBLAS's.
std::vector<std::vector<int32_t>> crowd(RunningEngine& engine) {
  GenerateOptions options;
  options.max_new_tokens = 8;
  std::vector<Submitted> running;
  for (int i = 0; i < engine.engine().spec().slots; ++i)
    running.push_back(submit_request(engine.engine(), input(random_tokens(5, 301, i)), options));
  std::vector<std::vector<int32_t>> tokens;
  for (Submitted& each : running) {
    each.settled.get();
    tokens.push_back(each.request->result().tokens);
  }
  return tokens;
}

TEST("decode of so many sequences that products are cuBLAS's writes in graphs what single launches write") {
  const RandomModel model(hybrid_model());
  setenv("STATELINE_CUBLAS", FAKE_CUBLAS, 1);
  auto spec = model.spec(2);
  spec.device = DeviceKind::cuda;
  spec.gpus = {0, 0};
  spec.slots = 20;
  spec.verify_collectives = false;
  spec.graphs = false;
  RunningEngine launches(spec);
  const auto expected = crowd(launches);
  spec.graphs = true;
  RunningEngine graphs(spec);
  CHECK(crowd(graphs) == expected);
  CHECK(graphs.engine().repeated_steps() > 0);
  // Activations in 16 bits, or not, by how many sequences a step happens to have: others may be written.
  spec.compute_type = ComputeType::f16;
  RunningEngine narrow(spec);
  CHECK_EQUAL(crowd(narrow).size(), 20u);
  CHECK(narrow.engine().repeated_steps() > 0);
  setenv("STATELINE_CUBLAS", "off", 1);
}

TEST("the workspace of cuBLAS counts among a rank's memory, and what a job is the first to need") {
  const RandomModel model;
  int64_t activations[2];
  for (const bool cublas : {false, true}) {
    const auto now = [](RunningEngine& engine) {
      return static_cast<int64_t>(engine.engine().memory()[0].activations);
    };
    setenv("STATELINE_CUBLAS", cublas ? FAKE_CUBLAS : "off", 1);
    auto spec = model.spec(1);
    spec.device = DeviceKind::cuda;
    RunningEngine engine(spec);
    activations[cublas] = now(engine);
    engine.forward(input(random_tokens(40, 301)));
    CHECK(now(engine) > activations[cublas]);  // logits on their way to the host
  }
  setenv("STATELINE_CUBLAS", "off", 1);
  CHECK(activations[1] - activations[0] >= 4 << 20);
}

TEST("too little memory for the workspace of cuBLAS is said so") {
  const RandomModel model;
  setenv("STATELINE_SIMT_MEMORY", "3000000", 1);
  CHECK_THROWS(logits(model, ComputeType::f32, FAKE_CUBLAS), "E_DEVICE_MEMORY");
  unsetenv("STATELINE_SIMT_MEMORY");
  setenv("STATELINE_CUBLAS", "off", 1);
}

TEST("a file that is no cuBLAS, or too old a one, is refused by name") {
  const RandomModel model;
  const std::pair<const char*, const char*> cases[] = {
      {"/nowhere/libcublas.so.13", "E_CUBLAS"}, {"libm.so.6", "E_CUBLAS"}, {FAKE_CUBLAS_OLD, "E_CUBLAS_OLD"}};
  for (const auto& [file, code] : cases) {
    CHECK_THROWS(logits(model, ComputeType::f32, file), code);
    setenv("STATELINE_CUBLAS", "off", 1);
  }
}

}  // namespace
}  // namespace stateline::test
