#include "test/engine/running_engine.h"

#include <random>

namespace stateline::test {
namespace {

// Settles a promise that may outlive whoever waits.
Job::Settled settling(const std::shared_ptr<std::promise<void>>& promise) {
  return [promise](std::exception_ptr error) { error ? promise->set_exception(error) : promise->set_value(); };
}

}  // namespace

RunningEngine::RunningEngine(EngineSpec spec, Engine::Told told) {
  const auto loaded = std::make_shared<std::promise<void>>();
  engine_ = std::make_unique<Engine>(
      std::move(spec), [](int64_t, int64_t) {}, settling(loaded), std::move(told));
  loaded->get_future().get();
}

std::future<void> submit(Engine& engine, const std::function<std::shared_ptr<Job>(Job::Settled)>& make) {
  const auto settled = std::make_shared<std::promise<void>>();
  auto job = make(settling(settled));
  engine.check(job->input());
  engine.submit(std::move(job));
  return settled->get_future();
}

void RunningEngine::run(const std::function<std::shared_ptr<Job>(Job::Settled)>& make) { submit(*engine_, make).get(); }

std::vector<float> RunningEngine::forward(JobInput input) {
  std::shared_ptr<ForwardJob> job;
  run([&](Job::Settled settled) {
    return job = std::make_shared<ForwardJob>(std::move(input), engine_->spec().shape.vocabulary, std::move(settled));
  });
  const auto logits = job->logits();
  return {logits.data, logits.data + logits.rows * logits.columns};
}

std::vector<float> RunningEngine::score(JobInput input) {
  std::shared_ptr<ScoreJob> job;
  run([&](Job::Settled settled) { return job = std::make_shared<ScoreJob>(std::move(input), std::move(settled)); });
  return {job->losses().begin(), job->losses().end()};
}

GenerateResult RunningEngine::generate(JobInput input, GenerateOptions options,
                                       const std::function<void(int32_t)>& on_token) {
  auto submitted = submit_request(*engine_, std::move(input), std::move(options), on_token);
  submitted.settled.get();
  return submitted.request->result();
}

Submitted submit_request(Engine& engine, JobInput input, GenerateOptions options,
                         const std::function<void(int32_t)>& on_token) {
  const auto settled = std::make_shared<std::promise<void>>();
  engine.check(input);
  auto request = std::make_shared<Request>(
      std::move(input), std::move(options), engine.spec().shape.vocabulary,
      [on_token](int32_t token, auto) { on_token(token); }, settling(settled));
  Submitted submitted{request, settled->get_future()};
  engine.submit(std::move(request));
  return submitted;
}

JobInput input(std::vector<int32_t> tokens, int64_t chunk) {
  JobInput input;
  input.tokens = std::move(tokens);
  input.chunk = chunk;
  return input;
}

std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::uniform_int_distribution<int32_t> token(0, static_cast<int32_t>(vocabulary - 1));
  std::vector<int32_t> tokens(count);
  for (int32_t& each : tokens) each = token(generator);
  return tokens;
}

}  // namespace stateline::test
