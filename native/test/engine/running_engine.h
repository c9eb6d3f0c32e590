// An engine whose jobs are waited for: what the addon does with promises, done with blocking calls.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "runtime/engine.h"
#include "runtime/forward_job.h"
#include "runtime/request.h"
#include "runtime/score_job.h"

namespace stateline::test {

class RunningEngine {
 public:
  // Returns when the engine has loaded; throws what loading failed with.
  explicit RunningEngine(
      EngineSpec spec, Engine::Told told = [] {});

  Engine& engine() { return *engine_; }

  // Each throws what the job was settled with.
  std::vector<float> forward(JobInput input);
  std::vector<float> score(JobInput input);
  GenerateResult generate(
      JobInput input, GenerateOptions options, const std::function<void(int32_t)>& on_token = [](int32_t) {});
  // Any job: makes it with the Settled it is given, and waits.
  void run(const std::function<std::shared_ptr<Job>(Job::Settled)>& make);

 private:
  std::unique_ptr<Engine> engine_;
};

JobInput input(std::vector<int32_t> tokens, int64_t chunk = 64);
std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary, uint64_t seed = 7);

// Submits and does not wait.
std::future<void> submit(Engine& engine, const std::function<std::shared_ptr<Job>(Job::Settled)>& make);

struct Submitted {
  std::shared_ptr<Request> request;
  std::future<void> settled;
};
Submitted submit_request(
    Engine& engine, JobInput input, GenerateOptions options,
    const std::function<void(int32_t)>& on_token = [](int32_t) {});

}  // namespace stateline::test
