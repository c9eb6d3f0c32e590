// The engine on a random model: every split, chunking and job gives the same numbers.
#include "runtime/engine.h"

#include <cmath>
#include <set>

#include "runtime/cuda/gpus.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

constexpr int64_t kVocabulary = 301;

void check_near(const std::vector<float>& actual, const std::vector<float>& expected, double tolerance) {
  CHECK_EQUAL(actual.size(), expected.size());
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double distance = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!(distance <= largest)) largest = distance;  // NaN too
  }
  CHECK_NEAR(largest, 0, tolerance);
}

std::vector<float> rows_from(const std::vector<float>& logits, int64_t row) {
  return {logits.begin() + row * kVocabulary, logits.end()};
}

}  // namespace

TEST(
    "logits agree for 1, 2, 3, 4 and 8 ranks, one or two threads each, and to the last bit at once, in chunks and "
    "token by token") {
  for (const auto& options : {RandomModelOptions{}, hybrid_model()}) {
    const bool hybrid = options.shape.head_dim > 0;
    const RandomModel model(options);
    const auto tokens = random_tokens(150, kVocabulary);
    RunningEngine one(model.spec(1));
    const auto expected = one.forward(input(tokens));
    for (const int ranks : {1, 2, 3, 4, 8}) {
      if (hybrid && ranks == 3) continue;  // heads are not divided
      for (const int threads : {1, 2}) {
        const Context context((hybrid ? "hybrid, " : "") + text(ranks) + " ranks of " + text(threads) + " threads");
        auto spec = model.spec(ranks);
        spec.threads_per_rank = threads;
        RunningEngine engine(spec);
        const auto logits = engine.forward(input(tokens));
        check_near(logits, expected, 1e-4);
        for (const int64_t chunk : {1, 7, 33}) CHECK(engine.forward(input(tokens, chunk)) == logits);
      }
    }
  }
}

TEST("a hybrid model keeps keys for as many tokens as it was given room, and says when more are needed") {
  auto options = hybrid_model();
  options.shape.context = 30;
  const RandomModel model(options);
  RunningEngine engine(model.spec(4));
  const auto tokens = random_tokens(30, kVocabulary);
  const auto expected = engine.forward(input(tokens));
  CHECK_THROWS(engine.forward(input(random_tokens(31, kVocabulary), 8)), "E_CONTEXT");
  check_near(engine.forward(input(tokens)), expected, 0);
}

TEST("narrow wires change the logits a little, and the same for every chunking of the prompt's rows") {
  const RandomModel model;
  const auto tokens = random_tokens(60, kVocabulary);
  const auto expected = RunningEngine(model.spec(1)).forward(input(tokens));
  const std::pair<WireType, double> wires[] = {{WireType::f16, 0.05}, {WireType::bf16, 0.4}, {WireType::int8, 0.6}};
  for (const auto& [wire, tolerance] : wires) {
    for (const int ranks : {2, 4}) {
      auto spec = model.spec(ranks);
      spec.wires.steps = {{0, wire}};
      spec.wires.group = 20;  // the row of 48 ends in a short group
      RunningEngine engine(spec);
      const auto logits = engine.forward(input(tokens));
      check_near(logits, expected, tolerance);
      CHECK(logits != expected);
    }
  }
}

TEST("greedy text is what feeding each token back by hand gives, for every number of ranks") {
  const RandomModel model;
  auto tokens = random_tokens(9, kVocabulary);
  std::vector<int32_t> expected;
  {
    RunningEngine engine(model.spec(1));
    auto text = tokens;
    for (int i = 0; i < 12; ++i) {
      const auto logits = rows_from(engine.forward(input(text)), static_cast<int64_t>(text.size()) - 1);
      expected.push_back(static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin()));
      text.push_back(expected.back());
    }
  }
  for (const int ranks : {1, 2, 4, 8}) {
    const Context context(text(ranks) + " ranks");
    RunningEngine engine(model.spec(ranks));
    std::vector<int32_t> heard;
    const auto result = engine.generate(input(tokens, 4), {.max_new_tokens = 12, .sampling = {}, .stop_tokens = {}},
                                        [&](int32_t token) { heard.push_back(token); });
    CHECK(result.tokens == expected);
    CHECK(heard == expected);
    CHECK(result.finish == Finish::length);
    CHECK(result.ttft_ns >= result.prefill_ns && result.prefill_ns > 0 && result.decode_ns > 0);
    CHECK_EQUAL(result.wire_bytes > 0, ranks > 1);
  }
}

TEST("a seed gives the same sampled text for every number of ranks, and another seed another text") {
  const RandomModel model;
  const auto tokens = random_tokens(9, kVocabulary);
  const auto sampled = [&](int ranks, uint64_t seed) {
    RunningEngine engine(model.spec(ranks));
    GenerateOptions options;
    options.max_new_tokens = 30;
    options.sampling = {.temperature = 1, .top_k = 50, .top_p = 0.95, .seed = seed};
    return engine.generate(input(tokens), options).tokens;
  };
  const auto expected = sampled(1, 11);
  for (const int ranks : {2, 4, 8}) CHECK(sampled(ranks, 11) == expected);
  CHECK(sampled(1, 12) != expected);
}

TEST("a stop token ends the text and is its last token; no new tokens are a prefill") {
  const RandomModel model;
  RunningEngine engine(model.spec(2));
  const auto tokens = random_tokens(9, kVocabulary);
  GenerateOptions options{.max_new_tokens = 12, .sampling = {}, .stop_tokens = {}};
  const auto whole = engine.generate(input(tokens), options).tokens;
  options.stop_tokens = {whole[4]};
  const auto stopped = engine.generate(input(tokens), options);
  CHECK(stopped.finish == Finish::stop);
  CHECK_EQUAL(stopped.tokens.back(), whole[4]);
  CHECK(stopped.tokens.size() <= 5);

  const auto none = engine.generate(input(tokens), {});
  CHECK(none.tokens.empty() && none.finish == Finish::length);
}

TEST("a sequence goes on from the state it was left in by feeding its last token, under any split") {
  const RandomModel model(hybrid_model());
  RunningEngine engine(model.spec(2)), other(model.spec(8));
  const auto tokens = random_tokens(9, kVocabulary);
  const GenerateOptions ten{.max_new_tokens = 10, .sampling = {}, .stop_tokens = {}};
  const auto whole = engine.generate(input(tokens), ten).tokens;
  GenerateOptions four{.max_new_tokens = 4, .sampling = {}, .stop_tokens = {}, .keep_state = true};
  const auto begun = engine.generate(input(tokens), four);
  auto first = begun.tokens;
  CHECK_EQUAL(begun.state->tokens, int64_t{9 + 3});
  JobInput more = input({first.back()});
  more.state = begun.state;
  const GenerateOptions six{.max_new_tokens = 6, .sampling = {}, .stop_tokens = {}};
  const auto rest = engine.generate(more, six).tokens;
  CHECK(other.generate(more, six).tokens == rest);
  first.insert(first.end(), rest.begin(), rest.end());
  CHECK(first == whole);
}

TEST("scores are the losses under the logits, also where chunks and logit blocks meet") {
  const RandomModel model;
  const auto tokens = random_tokens(140, kVocabulary);
  for (const int ranks : {1, 4}) {
    RunningEngine engine(model.spec(ranks));
    const auto logits = engine.forward(input(tokens));
    std::vector<float> expected;
    for (size_t t = 0; t + 1 < tokens.size(); ++t) {
      double sum = 0;
      for (int64_t v = 0; v < kVocabulary; ++v) sum += std::exp(static_cast<double>(logits[t * kVocabulary + v]));
      expected.push_back(static_cast<float>(std::log(sum) - logits[t * kVocabulary + tokens[t + 1]]));
    }
    for (const int64_t chunk : {1, 33, 64}) check_near(engine.score(input(tokens, chunk)), expected, 1e-4);
    CHECK(engine.score(input({5})).empty());
  }
}

TEST("a recorded step shows every op once a layer on every rank, the gate's projection inside the AllReduce it hides") {
  const RandomModel model;
  auto spec = model.spec(2);
  spec.wires.steps = {{0, WireType::int8}};
  RunningEngine engine(spec);
  engine.engine().record(true, 10000);
  JobInput job = input(random_tokens(20, kVocabulary));
  job.tag = {.job = 1, .cell = 7, .request = 8};
  engine.generate(job, {.max_new_tokens = 3, .sampling = {}, .stop_tokens = {}});
  engine.engine().record(false, 0);
  engine.forward(input(random_tokens(20, kVocabulary)));
  const auto drained = engine.engine().drain();
  CHECK_EQUAL(drained.lost, size_t{0});
  CHECK_EQUAL(drained.ranks.size(), size_t{2});

  for (const auto& spans : drained.ranks) {
    const auto count = [&](Op op) { return std::ranges::count(spans, op, &Span::op); };
    CHECK_EQUAL(count(Op::step), 3);  // the prefill gives the first of three tokens
    for (const Op op : {Op::in_proj_x, Op::in_proj_z, Op::x_proj, Op::dt_proj, Op::out_proj, Op::all_reduce_x_proj,
                        Op::all_reduce_out_proj}) {
      CHECK_EQUAL(count(op), 9);
    }
    CHECK_EQUAL(count(Op::conv1d), 3);
    CHECK_EQUAL(count(Op::conv1d_update), 6);
    CHECK_EQUAL(count(Op::selective_scan), 3);
    CHECK_EQUAL(count(Op::state_update), 6);
    CHECK_EQUAL(count(Op::norm), 12);
    CHECK_EQUAL(count(Op::lm_head), 3);
    CHECK_EQUAL(count(Op::sample), &spans == &drained.ranks[0] ? 3 : 0);

    std::set<int32_t> steps;
    for (const Span& span : spans) {
      steps.insert(span.step);
      CHECK(span.cell == 7 && span.request == 8);
      CHECK_EQUAL(span.tokens, span.phase == Phase::prefill ? 20 : 1);
      CHECK((span.step == 0) == (span.phase == Phase::prefill));
      CHECK(span.end >= span.begin);
      if (span.op != Op::in_proj_z) continue;
      const auto hides = [&](const Span& other) {
        return other.op == Op::all_reduce_x_proj && other.begin <= span.begin && other.end >= span.end &&
               other.layer == span.layer && other.step == span.step;
      };
      CHECK_EQUAL(std::ranges::count_if(spans, hides), 1);
    }
    CHECK_EQUAL(steps.size(), size_t{3});
  }
  // The same collectives, by ordinal, on both ranks.
  const auto ordinals = [&](int rank) {
    std::set<std::pair<int64_t, Op>> found;
    for (const Span& span : drained.ranks[rank]) {
      if (span.seq >= 0 && span.wire_bytes > 0) found.emplace(span.seq, span.op);
    }
    return found;
  };
  CHECK(ordinals(0) == ordinals(1));
}

TEST("recording may be switched while a generation runs") {
  const RandomModel model;
  RunningEngine engine(model.spec(4));
  int tokens = 0;
  engine.generate(input(random_tokens(5, kVocabulary)), {.max_new_tokens = 60, .sampling = {}, .stop_tokens = {}},
                  [&](int32_t) {
                    ++tokens;
                    if (tokens == 20) engine.engine().record(true, 100000);
                    if (tokens == 40) engine.engine().record(false, 0);
                  });
  const auto drained = engine.engine().drain();
  for (const auto& spans : drained.ranks) CHECK_EQUAL(std::ranges::count(spans, Op::step, &Span::op), 20);
}

TEST("memory is reported by rank, and a rank of four holds about a quarter of the weights") {
  const RandomModel model;
  RunningEngine one(model.spec(1)), four(model.spec(4));
  const auto whole = one.engine().memory(), parts = four.engine().memory();
  CHECK_EQUAL(parts.size(), size_t{4});
  for (const auto& part : parts) {
    CHECK(part.weights < whole[0].weights / 2);
    CHECK(part.state > 0 && part.activations > 0 && part.wire > 0);
  }
  CHECK_EQUAL(whole[0].wire, size_t{0});
}

TEST("an engine that was built without CUDA refuses it, and says in one line what to run") {
  const RandomModel model;
  auto spec = model.spec(1);
  spec.device = DeviceKind::cuda;
  CHECK_THROWS(RunningEngine{spec}, "E_CUDA_NOT_BUILT");
  const CudaSummary summary = cuda_summary();
  CHECK(!summary.compiled && summary.gpus.empty());
  CHECK(summary.problem.find("npm run build:cuda") != std::string::npos);
  CHECK(summary.problem.find('\n') == std::string::npos);
}

}  // namespace stateline::test
