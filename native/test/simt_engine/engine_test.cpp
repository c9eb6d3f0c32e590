// The engine on CUDA beside the engine on the CPU, which golden values hold: same files, same jobs. On machines
// without a GPU the kernels run by test/simt.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "device/cuda/cuda_device.h"
#include "runtime/cuda/event_clock.h"
#include "runtime/cuda/gpus.h"
#include "runtime/error.h"
#include "runtime/hidden_job.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "trace/names.h"

namespace stateline::test {
namespace {

RandomModelOptions family(const std::string& name) {
  RandomModelOptions options = name == "hybrid" ? hybrid_model() : RandomModelOptions{};
  if (name == "normed") options.shape.ssm_epsilon = 1e-6f;
  return options;
}

EngineSpec on_cuda(EngineSpec spec) {
  spec.device = DeviceKind::cuda;
  spec.gpus.assign(spec.ranks, 0);
  spec.verify_collectives = true;
  return spec;
}

void check_close(const std::vector<float>& actual, const std::vector<float>& expected, float tolerance) {
  CHECK_EQUAL(actual.size(), expected.size());
  float worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const float error = std::abs(actual[i] - expected[i]);
    worst = error <= tolerance ? std::max(worst, error) : std::isnan(error) ? INFINITY : error;
    if (!(error <= tolerance)) break;
  }
  CHECK(worst <= tolerance);
}

TEST("logits on CUDA are the CPU's within 1e-4, for every family, on 1, 2 and 4 ranks, at once and in chunks") {
  for (const char* name : {"plain", "normed", "hybrid"}) {
    const RandomModel model(family(name));
    const auto tokens = random_tokens(37, 301);
    RunningEngine cpu(model.spec(1));
    const auto expected = cpu.forward(input(tokens));
    for (const int ranks : {1, 2, 4}) {
      const Context context(std::string(name) + " on " + text(ranks) + " ranks");
      RunningEngine cuda(on_cuda(model.spec(ranks)));
      for (const int64_t chunk : {64, 7, 1}) check_close(cuda.forward(input(tokens, chunk)), expected, 1e-4f);
    }
  }
}

TEST("requests side by side on CUDA write what the CPU writes") {
  for (const char* name : {"plain", "hybrid"}) {
    const RandomModel model(family(name));
    auto spec = model.spec(2);
    spec.slots = 3;
    RunningEngine cpu(spec), cuda(on_cuda(spec));
    for (RunningEngine* engine : {&cpu, &cuda}) CHECK_EQUAL(engine->engine().memory().size(), 2u);
    GenerateOptions options;
    options.max_new_tokens = 12;
    std::vector<Submitted> running;
    // The largest logits from the GPU's kernel, then all of them.
    for (const Sampling& sampling :
         {Sampling{.temperature = 1, .top_k = 20, .top_p = 0.9, .seed = 3}, Sampling{.temperature = 1, .seed = 4}}) {
      options.sampling = sampling;
      CHECK(cuda.generate(input(random_tokens(9, 301)), options).tokens ==
            cpu.generate(input(random_tokens(9, 301)), options).tokens);
    }
    const auto sampling = [](int i) {
      return i % 2 ? Sampling{.temperature = 1, .top_p = 0.9, .seed = 8} : Sampling{};
    };
    for (int i = 0; i < 4; ++i) {
      options.sampling = sampling(i);
      running.push_back(submit_request(cuda.engine(), input(random_tokens(5 + 9 * i, 301, i), 16), options));
    }
    for (int i = 0; i < 4; ++i) {
      running[i].settled.get();
      options.sampling = sampling(i);
      const auto alone = cpu.generate(input(random_tokens(5 + 9 * i, 301, i)), options);
      CHECK(running[i].request->result().tokens == alone.tokens);
    }
  }
}

// Tokens and bytes of requests that join and leave while others decode.
std::pair<std::vector<std::vector<int32_t>>, int64_t> crowd(RunningEngine& engine) {
  std::vector<Submitted> running;
  for (int i = 0; i < 5; ++i) {
    GenerateOptions options;
    options.max_new_tokens = 3 + 2 * i;
    running.push_back(submit_request(engine.engine(), input(random_tokens(2 + 3 * i, 301, i)), options));
  }
  std::vector<std::vector<int32_t>> tokens;
  int64_t bytes = 0;
  for (Submitted& each : running) {
    each.settled.get();
    tokens.push_back(each.request->result().tokens);
    bytes += each.request->result().wire_bytes;
  }
  return {tokens, bytes};
}

// Decode in graphs beside decode in single launches.
void check_graphs(const char* name, int ranks, WireType wire, const std::vector<int>& gpus) {
  const RandomModel model(family(name));
  auto spec = on_cuda(model.spec(ranks));
  spec.gpus = gpus;
  spec.verify_collectives = false;
  spec.slots = 3;
  spec.wires.steps = {{0, wire}};
  spec.graphs = false;
  RunningEngine launches(spec);
  const auto [tokens, bytes] = crowd(launches);
  CHECK_EQUAL(launches.engine().repeated_steps(), 0);
  spec.graphs = true;
  for (const bool last_first : {false, true}) {
    const Context context(std::string(name) + " on " + text(ranks) + " ranks, " + std::string(name_of(wire)) +
                          (last_first ? ", last first" : ""));
    if (last_first) setenv("STATELINE_SIMT_LAST_FIRST", "1", 1);
    RunningEngine graphs(spec);
    const auto actual = crowd(graphs);
    unsetenv("STATELINE_SIMT_LAST_FIRST");
    CHECK(actual.first == tokens);
    CHECK_NEAR(actual.second, bytes, 50);  // each request's share of a step is rounded
    CHECK(graphs.engine().repeated_steps() > 5);
  }
}

TEST("decode as CUDA graphs writes what single launches write, whatever order the graph's events leave open") {
  check_graphs("plain", 1, WireType::f32, {0});
  check_graphs("plain", 2, WireType::int8, {0, 0});
  if (cuda_summary().gpus.size() > 1) check_graphs("plain", 2, WireType::f32, {0, 1});
  check_graphs("hybrid", 4, WireType::f32, {0, 0, 0, 0});
}

TEST("a state that a GPU has left goes on on the CPU, and the other way round") {
  const RandomModel model(family("hybrid"));
  const auto tokens = random_tokens(20, 301);
  RunningEngine cpu(model.spec(1)), cuda(on_cuda(model.spec(2)));
  GenerateOptions options;
  options.max_new_tokens = 8;
  const auto whole = cpu.generate(input(tokens), options).tokens;
  options.keep_state = true;
  options.max_new_tokens = 4;
  for (auto [first, second] : {std::pair{&cpu, &cuda}, std::pair{&cuda, &cpu}}) {
    auto begun = first->generate(input(tokens), options);
    JobInput rest = input({begun.tokens.back()});
    rest.state = begun.state;
    auto all = begun.tokens;
    const auto more = second->generate(rest, options).tokens;
    all.insert(all.end(), more.begin(), more.end());
    CHECK(all == whole);
  }
}

TEST("prompts that begin alike are computed once on CUDA and get what the CPU gives") {
  const RandomModel model(family("hybrid"));
  auto spec = model.spec(2);
  spec.max_tokens = 24;
  spec.cache_bytes = 8 << 20;
  spec.cache_interval = 4;  // a step is cut into more segments than there are slots
  RunningEngine cpu(model.spec(1)), cuda(on_cuda(spec));
  GenerateOptions options;
  options.max_new_tokens = 4;
  for (const int64_t common : {0, 7, 16, 30}) {
    auto tokens = random_tokens(30, 301);
    const auto other = random_tokens(30, 301, 100 + common);
    std::copy(other.begin() + common, other.end(), tokens.begin() + common);
    CHECK(cuda.generate(input(tokens, 24), options).tokens == cpu.generate(input(tokens), options).tokens);
  }
  CHECK(cuda.engine().cache_statistics().hits > 0);
}

TEST("hidden states behind layers come from the GPU") {
  const RandomModel model(family("plain"));
  RunningEngine cpu(model.spec(1)), cuda(on_cuda(model.spec(2)));
  const auto hidden = [](RunningEngine& engine) {
    std::shared_ptr<HiddenJob> job;
    engine.run([&](Job::Settled settled) {
      return job = std::make_shared<HiddenJob>(input(random_tokens(11, 301), 4), std::vector<int32_t>{-1, 1, 3},
                                               engine.engine().spec().shape, std::move(settled));
    });
    return std::vector<float>(job->values().begin(), job->values().end());
  };
  check_close(hidden(cuda), hidden(cpu), 1e-4f);
}

TEST("sums travel as f16, bf16 and int8 on CUDA with the same bits on all ranks") {
  const RandomModel model(family("hybrid"));
  const auto tokens = random_tokens(30, 301);
  for (const WireType wire : {WireType::f16, WireType::bf16, WireType::int8}) {
    for (const int ranks : {2, 4}) {
      const Context context(std::string(name_of(wire)) + " on " + text(ranks) + " ranks");
      auto spec = model.spec(ranks);
      spec.wires.steps = {{0, wire}};
      RunningEngine cpu(spec), cuda(on_cuda(spec));
      // The codecs agree to the bit; what differs is what they are given.
      check_close(cuda.forward(input(tokens)), cpu.forward(input(tokens)), wire == WireType::f16 ? 0.02f : 0.2f);
    }
  }
}

TEST("weights in 16 bits give CUDA's logits their rounding and no more") {
  const RandomModel model(family("plain"));
  const auto tokens = random_tokens(25, 301);
  RunningEngine exact(model.spec(1));
  const auto expected = exact.forward(input(tokens));
  for (const ComputeType type : {ComputeType::f16, ComputeType::bf16}) {
    auto spec = on_cuda(model.spec(2));
    spec.compute_type = type;
    RunningEngine cuda(spec);
    check_close(cuda.forward(input(tokens)), expected, type == ComputeType::f16 ? 0.05f : 0.4f);
  }
}

TEST("ops and collectives on CUDA's streams are spans between the step's begin and end") {
  const RandomModel model(family("hybrid"));
  RunningEngine cuda(on_cuda(model.spec(2)));
  cuda.engine().record(true, 1 << 14);
  GenerateOptions options;
  options.max_new_tokens = 3;
  cuda.generate(input(random_tokens(9, 301)), options);
  const auto drained = cuda.engine().drain();
  CHECK_EQUAL(drained.lost, 0u);
  constexpr uint64_t kSlack = 2'000'000;  // ns, the anchor's error on a busy machine
  for (const auto& spans : drained.ranks) {
    int scans = 0, updates = 0, projections = 0, sums = 0;
    for (const Span& step : spans) {
      if (step.op != Op::step) continue;
      for (const Span& span : spans) {
        if (span.step != step.step || span.op == Op::step) continue;
        CHECK(span.begin <= span.end);
        CHECK(span.begin + kSlack >= step.begin && span.end <= step.end + kSlack);
        scans += span.op == Op::selective_scan;
        updates += span.op == Op::state_update;
        projections += span.op == Op::dt_proj;
        sums += span.op == Op::all_reduce_out_proj;
        if (span.op == Op::gather_logits) CHECK_EQUAL(span.wire_bytes, 8);  // the largest logit and its id
      }
    }
    CHECK_EQUAL(scans, 3);        // prefill
    CHECK_EQUAL(projections, 3);  // decode has them inside
    CHECK_EQUAL(updates, 2 * 3);
    CHECK_EQUAL(sums, 3 * 3);
  }
}

TEST("what a GPU's events cost the host is counted for each span") {
  const auto device = make_cuda_device({.max_tokens = 1});
  cuda::EventClock clock(*device);
  Recorder recorder;
  recorder.time_by(&clock);
  recorder.open(4);
  CHECK_EQUAL(recorder.clock_cost_ns(), 0.0);
  recorder.begin_step(true, {});
  recorder.op(Op::norm, [] { return Work{}; });
  recorder.end_step();
  CHECK(recorder.clock_cost_ns() > 0);
}

TEST("more ranks than GPUs, and GPUs that are not there, are refused by number") {
  const RandomModel model;
  auto spec = model.spec(4);
  spec.device = DeviceKind::cuda;
  const int count = static_cast<int>(cuda_summary().gpus.size());
  CHECK(count > 0);
  if (count < 4) CHECK_THROWS(RunningEngine{spec}, "E_GPU_COUNT");
  spec.gpus = {0, 0, 0};
  CHECK_THROWS(RunningEngine{spec}, "E_OPTION");
  spec.gpus = {0, 0, 0, count};
  CHECK_THROWS(RunningEngine{spec}, "E_OPTION");
}

TEST("int8 arithmetic is refused on CUDA by name") {
  const RandomModel model;
  auto spec = on_cuda(model.spec(1));
  spec.compute_type = ComputeType::int8;
  CHECK_THROWS(RunningEngine{spec}, "E_OPTION");
}

}  // namespace
}  // namespace stateline::test
