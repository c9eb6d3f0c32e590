// What goes wrong on GPUs, which test/simt can be told to do.
#include <cuda_runtime_api.h>

#include <cstdlib>

#include "comm/cuda/arrivals.h"
#include "device/cuda/graph.h"
#include "device/cuda/kernels.h"
#include "device/cuda/memory.h"
#include "runtime/cuda/gpus.h"
#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

EngineSpec on_gpus(const RandomModel& model, std::vector<int> gpus) {
  EngineSpec spec = model.spec(static_cast<int>(gpus.size()));
  spec.device = DeviceKind::cuda;
  spec.gpus = std::move(gpus);
  return spec;
}

// What `run` throws.
template <class Run>
Error error_of(Run run) {
  try {
    run();
  } catch (const Error& error) {
    return error;
  }
  return Error("", "nothing was thrown");
}

void repair() {
  for (const int gpu : {0, 1}) {
    cudaSetDevice(gpu);
    cudaDeviceReset();
  }
}

TEST(
    "a kernel that fails ends the job on all ranks, recorded or not, with rank, op, step and CUDA's text; then all "
    "close") {
  const RandomModel model;
  for (const auto& gpus : {std::vector<int>{0}, {0, 1}, {0, 0}}) {
    for (const bool recorded : {false, true}) {
      const Context context(text(gpus.size()) + " ranks" + (recorded ? ", recorded" : ""));
      {
        RunningEngine cuda(on_gpus(model, gpus));
        if (recorded) cuda.engine().record(true, 1 << 12);
        cuda.forward(input(random_tokens(5, 301)));
        setenv("STATELINE_SIMT_FAILS", std::to_string(cudaErrorIllegalAddress).c_str(), 1);
        const Error error = error_of([&] { cuda.forward(input(random_tokens(5, 301))); });
        CHECK_EQUAL(error.code, std::string("E_CUDA"));
        const Context message(error.message);
        // A rank that shares its GPU may learn of it before its own step begins.
        const bool shared = gpus.size() == 2 && gpus[0] == gpus[1];
        CHECK(error.details.at("step") == "1" || (shared && error.details.at("step") == "0"));
        CHECK(error.message.find("an illegal memory access was encountered") != std::string::npos);
        CHECK(error.message.find("restart it") != std::string::npos);
        for (const char* name : {"rank", "gpu", "step", "op", "cuda"}) CHECK(error.details.contains(name));
        CHECK(!error.details.at("op").empty());
      }
      repair();
      RunningEngine again(on_gpus(model, gpus));
      again.forward(input(random_tokens(5, 301)));
    }
  }
}

TEST("a GPU that hangs ends the job after the time-out, and the engine closes without waiting for it") {
  const RandomModel model;
  enum class Job { logits, recorded, prompt };
  for (const Job job : {Job::logits, Job::recorded, Job::prompt}) {
    const Context context("job " + text(static_cast<int>(job)));
    auto spec = on_gpus(model, {0});
    spec.collective_timeout_ms = 500;
    {
      RunningEngine cuda(spec);
      if (job == Job::recorded) cuda.engine().record(true, 1 << 12);
      const auto run = [&] {
        // Of a prompt's steps nobody reads anything: the host runs ahead until its inputs have no room.
        if (job == Job::prompt)
          cuda.generate(input(random_tokens(30, 301), 1), {});
        else
          cuda.forward(input(random_tokens(5, 301)));
      };
      run();
      setenv("STATELINE_SIMT_HANGS", "1", 1);
      CHECK_THROWS(run(), "E_CUDA_TIMEOUT");
    }
    CHECK(cuda::gpu_hangs());
    unsetenv("STATELINE_SIMT_HANGS");
    cuda::gpu_hangs() = false;
  }
}

TEST("a call that a capture forbids is an error of CUDA's that says nothing of a lost process") {
  const cuda::CudaStream stream;
  {
    const cuda::Capture capture(stream);
    const Error error = error_of([] { cuda::DeviceMemory(16, "a test"); });
    CHECK_EQUAL(error.code, std::string("E_CUDA"));
    CHECK(error.message.find("restart") == std::string::npos);
  }
  CHECK_EQUAL(cuda::DeviceMemory(16, "a test").bytes(), 16u);
}

TEST("a GPU older than what the kernels were compiled for is refused by name") {
  const RandomModel model;
  setenv("STATELINE_SIMT_CAPABILITY", "7", 1);
  const Error error = error_of([&] { RunningEngine{on_gpus(model, {0, 1})}; });
  unsetenv("STATELINE_SIMT_CAPABILITY");
  CHECK_EQUAL(error.code, std::string("E_GPU_ARCHITECTURE"));
  CHECK_EQUAL(error.details.at("capability"), std::string("7.0"));
}

TEST("sizes that a kernel cannot serve are refused before anything is loaded, with the most that it can") {
  const RandomModel model;
  const std::pair<int64_t ModelShape::*, int64_t> sizes[] = {
      {&ModelShape::states, 256}, {&ModelShape::dt_rank, 8192}, {&ModelShape::head_dim, 1024}};
  for (const auto& [size, most] : sizes) {
    auto spec = on_gpus(model, {0});
    spec.shape.*size = most + 1;
    spec.shape.context = 1;
    const Error error = error_of([&] { RunningEngine{spec}; });
    CHECK_EQUAL(error.code, std::string("E_GPU_SIZE"));
    CHECK_EQUAL(error.details.at("most"), std::to_string(most));
  }
}

TEST("a GPU that does not answer keeps its number: it is refused by that, and the others serve") {
  const RandomModel model;
  setenv("STATELINE_SIMT_DEVICES", "3", 1);
  setenv("STATELINE_SIMT_SILENT", "1", 1);
  const CudaSummary summary = cuda_summary();
  CHECK_EQUAL(summary.gpus.size(), 3u);
  for (const size_t gpu : {0, 1, 2}) CHECK_EQUAL(summary.gpus[gpu].problem.empty(), gpu != 1);
  const Error error = error_of([&] { RunningEngine{on_gpus(model, {0, 1})}; });
  CHECK_EQUAL(error.code, std::string("E_CUDA"));
  CHECK_EQUAL(error.details.at("gpu"), std::string("1"));
  RunningEngine(on_gpus(model, {0, 2})).forward(input(random_tokens(5, 301)));
  unsetenv("STATELINE_SIMT_SILENT");
  unsetenv("STATELINE_SIMT_DEVICES");
}

TEST("asking GPUs how far ranks have come leaves CUDA no error to report, whether they answer or not") {
  cudaSetDevice(0);
  cuda::Arrivals arrivals(1);
  const cuda::CudaStream stream;
  const cuda::DeviceMemory memory(sizeof(float), "a test");
  const auto arrived = [&] { return arrivals.read({memory.as<uint32_t>()}, 1).size(); };
  CHECK_EQUAL(arrived(), 1u);
  setenv("STATELINE_SIMT_FAILS", std::to_string(cudaErrorIllegalAddress).c_str(), 1);
  CHECK_EQUAL(cuda::add_bias({memory.as<float>(), 1, 1, 1}, memory.as<float>(), stream), cudaSuccess);
  CHECK_EQUAL(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  cudaGetLastError();
  CHECK_EQUAL(arrived(), 0u);
  CHECK_EQUAL(cudaGetLastError(), cudaSuccess);
  repair();
}

TEST("too little memory of a GPU is said with what needs how much of it, and what holds the rest") {
  const RandomModel model;
  auto spec = on_gpus(model, {1});
  spec.slots = 1000;
  const auto refused = [&](size_t left) {
    size_t free = 0, total = 0;  // tests before have left something there
    cudaSetDevice(1);
    cudaMemGetInfo(&free, &total);
    setenv("STATELINE_SIMT_MEMORY", std::to_string(total - free + left).c_str(), 1);
    const Error error = error_of([&] { RunningEngine{spec}; });
    unsetenv("STATELINE_SIMT_MEMORY");
    CHECK_EQUAL(error.code, std::string("E_DEVICE_MEMORY"));
    return error;
  };
  const Error states = refused(4'000'000);
  CHECK_EQUAL(states.details.at("purpose"), std::string("the states of all slots"));
  CHECK(states.details.at("held").find("the weights 1 MiB") != std::string::npos);
  CHECK(states.message.find(states.details.at("held")) != std::string::npos);

  // All of the weights, before the first of them is read.
  const Error weights = refused(100'000);
  CHECK_EQUAL(weights.details.at("purpose"), std::string("the weights"));
  int64_t values = 0;
  for (const EngineTensor& tensor : spec.tensors) values += tensor.columns > 1 ? tensor.rows * tensor.columns : 0;
  CHECK_EQUAL(weights.details.at("bytes"), std::to_string(values * 4));
}

}  // namespace
}  // namespace stateline::test
