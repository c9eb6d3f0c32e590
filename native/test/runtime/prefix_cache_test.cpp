// What earlier requests left behind changes how long a later one takes, and no bit of what it gets.
#include "runtime/prefix_cache.h"

#include <chrono>
#include <future>
#include <random>
#include <thread>

#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "test/runtime/allocations.h"

namespace stateline::test {
namespace {

constexpr int64_t kVocabulary = 301;

std::vector<RandomModelOptions> families() {
  RandomModelOptions falcon;
  falcon.shape.ssm_epsilon = 1e-6f;
  return {RandomModelOptions{}, falcon, hybrid_model()};
}

EngineSpec spec_of(const RandomModel& model, int ranks, int64_t states, int64_t interval = 8) {
  EngineSpec spec = model.spec(ranks);
  spec.slots = 4;
  spec.max_tokens = 24;
  spec.cache_bytes = states * (state_bytes(spec.shape) + 20 * key_value_bytes(spec.shape) + 1000);
  spec.cache_interval = interval;
  return spec;
}

GenerateOptions options(int64_t tokens) { return {.max_new_tokens = tokens, .sampling = {.logprobs = 2}}; }

// Few distinct beginnings, so that prompts share them up to any token.
std::vector<int32_t> branching(std::mt19937_64& generator, int64_t most) {
  std::vector<int32_t> tokens(1 + generator() % most);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int32_t>(generator() % 16 == 0 ? 1 + generator() % 2 : (7 * i) % kVocabulary);
  }
  return tokens;
}

struct Outcome {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(RunningEngine& engine, const std::vector<int32_t>& tokens, bool use_cache) {
  Outcome outcome;
  auto wanted = options(4);
  wanted.use_cache = use_cache;
  std::promise<void> settled;
  auto request = std::make_shared<Request>(
      input(tokens, 24), wanted, kVocabulary,
      [&](int32_t token, std::span<const TokenLogprob> logprobs) {
        outcome.tokens.push_back(token);
        for (const auto& each : logprobs) outcome.logprobs.push_back(each.logprob);
      },
      [&](std::exception_ptr error) { error ? settled.set_exception(error) : settled.set_value(); });
  engine.engine().submit(std::move(request));
  settled.get_future().get();
  return outcome;
}

}  // namespace

TEST("prompts that begin alike get to the last bit what they get alone, for every family, split and budget") {
  auto generator = random(1);
  for (const auto& shape : families()) {
    const RandomModel model(shape);
    for (const int ranks : {1, 2, 4}) {
      for (const int64_t states : {2, 30, 1000}) {
        const Context context(text(ranks) + " ranks, " + text(states) + " states");
        RunningEngine engine(spec_of(model, ranks, states));
        for (int i = 0; i < 40; ++i) {
          const auto tokens = branching(generator, 90);
          const auto cached = outcome(engine, tokens, true);
          CHECK(cached == outcome(engine, tokens, false));
        }
        const auto statistics = engine.engine().cache_statistics();
        CHECK(statistics.bytes <= statistics.budget);
        CHECK(states == 2 || statistics.tokens_reused > 0);
        CHECK(states == 1000 || statistics.evictions > 0);
      }
    }
  }
}

TEST("a prompt is read on from where it parts from an earlier one, the second time to the very token") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 100));
  const auto prefix = random_tokens(61, kVocabulary, 1);
  const auto cached = [&](int32_t different) {
    auto tokens = prefix;
    for (int i = 0; i < 6; ++i) tokens.push_back((different + i) % kVocabulary);
    return engine.generate(input(tokens, 24), options(1)).cached_tokens;
  };
  CHECK_EQUAL(cached(10), 0);
  CHECK_EQUAL(cached(50), 56);   // the last regular state before 61
  CHECK_EQUAL(cached(100), 61);  // kept when the second parted there
  CHECK_EQUAL(cached(10), 66);   // all but the token whose logits are wanted
  const auto statistics = engine.engine().cache_statistics();
  CHECK_EQUAL(statistics.hits, 2);
  CHECK_EQUAL(statistics.partial_hits, 1);
  CHECK_EQUAL(statistics.misses[static_cast<size_t>(CacheMiss::empty)], 1);
}

TEST("a conversation goes on where the last answer ended") {
  for (const auto& shape : families()) {
    const RandomModel model(shape);
    RunningEngine engine(spec_of(model, 2, 100));
    auto tokens = random_tokens(30, kVocabulary, 1);
    const auto first = engine.generate(input(tokens, 24), options(7));
    tokens.insert(tokens.end(), first.tokens.begin(), first.tokens.end());
    tokens.push_back(3);
    CHECK_EQUAL(engine.generate(input(tokens, 24), options(1)).cached_tokens, 36);
  }
}

TEST("a request whose end is kept already is given that state at once, with nobody else there to end it") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 100));
  auto wanted = options(4);
  wanted.keep_state = true;
  const auto tokens = random_tokens(20, kVocabulary, 1);
  const auto first = engine.generate(input(tokens, 24), wanted);
  auto again = submit_request(engine.engine(), input(tokens, 24), wanted);
  CHECK(again.settled.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
  CHECK(again.request->result().state == first.state);
}

TEST("a beginning that is come to by another way is kept once") {
  for (const auto& shape : families()) {
    const RandomModel model(shape);
    RunningEngine engine(spec_of(model, 1, 100));
    const auto read = [&](const std::vector<int32_t>& tokens) { engine.generate(input(tokens, 24), options(1)); };
    read({1, 2, 3, 4, 5});  // keeps the state behind 4
    read({1, 2, 9});        // parts behind 2
    const int64_t before = engine.engine().cache_statistics().kept;
    read({1, 2, 3, 4});  // goes on behind 2, keeps behind 3, and ends behind 4
    CHECK_EQUAL(engine.engine().cache_statistics().kept, before + 1);
    CHECK_EQUAL(engine.generate(input({1, 2, 3, 4, 7}, 24), options(1)).cached_tokens, 4);
  }
}

TEST("a lookup that finds nothing says why") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 1, 3));
  const auto reason_of = [&](const std::vector<int32_t>& tokens, bool use_cache = true) {
    auto wanted = options(1);
    wanted.use_cache = use_cache;
    engine.generate(input(tokens, 24), wanted);
    return engine.engine().cache_statistics();
  };
  const auto is = [](const CacheStatistics& statistics, CacheMiss reason, int64_t token) {
    CHECK_EQUAL(statistics.last_miss, static_cast<int>(reason));
    CHECK_EQUAL(statistics.last_miss_token, token);
  };
  const auto first = random_tokens(20, kVocabulary, 1);
  is(reason_of(first, false), CacheMiss::bypassed, 0);
  is(reason_of(first), CacheMiss::empty, 0);
  is(reason_of({5}), CacheMiss::too_short, 0);
  auto parted = first;
  parted[3] = (parted[3] + 1) % kVocabulary;
  is(reason_of(parted), CacheMiss::diverged, 3);
  for (uint64_t seed = 2; seed < 6; ++seed) reason_of(random_tokens(20, kVocabulary, seed));
  CHECK_EQUAL(reason_of(first).misses[static_cast<size_t>(CacheMiss::evicted)], 1);
}

TEST("the beginning of a known prompt that ends before a state was kept is told from one that parts from it") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 1, 100));
  const auto known = random_tokens(20, kVocabulary, 1);
  engine.generate(input(known, 24), options(1));
  const auto beginning_of = [&](int64_t tokens) {
    const int64_t cached =
        engine.generate(input({known.begin(), known.begin() + tokens}, 24), options(1)).cached_tokens;
    CHECK_EQUAL(cached, tokens > 8 ? 8 : 0);
    return engine.engine().cache_statistics();
  };
  const auto before = beginning_of(8);
  CHECK_EQUAL(before.last_miss, static_cast<int>(CacheMiss::no_state));
  CHECK_EQUAL(before.last_miss_token, 8);
  CHECK_EQUAL(beginning_of(9).hits, 1);
}

TEST("a prompt that is too long for the budget keeps as much of its beginning as finds room, and empties nothing") {
  const RandomModel model(hybrid_model());
  auto spec = spec_of(model, 2, 8);
  const int64_t longest = spec.cache_bytes / key_value_bytes(spec.shape) + 40;
  spec.shape.context = longest + 8;
  RunningEngine engine(spec);
  const auto tokens = random_tokens(longest, kVocabulary, 1);
  const auto cached = [&] { return engine.generate(input(tokens, 24), options(1)).cached_tokens; };
  CHECK_EQUAL(cached(), 0);
  const auto statistics = engine.engine().cache_statistics();
  CHECK(statistics.too_large > 0 && statistics.states > 0 && statistics.bytes <= statistics.budget);
  CHECK(cached() > longest / 2);
}

TEST("a sequence that goes on again and again has its keys and values in few parts, which its states share") {
  const RandomModel model(hybrid_model());
  for (const int ranks : {1, 4}) {
    RunningEngine engine(spec_of(model, ranks, 0));
    auto wanted = options(1);
    wanted.keep_state = true;
    auto tokens = random_tokens(30, kVocabulary, 1);
    auto job = input(tokens, 24);
    auto last = engine.generate(job, wanted);
    for (int turn = 0; turn < 40; ++turn) {
      tokens.push_back(last.tokens.back());
      if (turn % 7 == 0) tokens.push_back(turn);
      job.tokens.assign(tokens.begin() + last.state->tokens, tokens.end());
      job.state = last.state;
      const KeysValues* first = last.state->kv.get();
      while (first->before) first = first->before.get();
      last = engine.generate(job, wanted);
      int parts = 0;
      const KeysValues* beginning = nullptr;
      for (const KeysValues* part = last.state->kv.get(); part; part = part->before.get(), ++parts) beginning = part;
      CHECK(parts <= 6);
      CHECK(turn > 20 || beginning == first);  // until what came after is as long as it
    }
    auto alone = options(1);
    alone.use_cache = false;
    CHECK(engine.generate(input(tokens, 24), alone).tokens == last.tokens);
  }
}

TEST("keys and values of a common beginning are kept once") {
  const RandomModel model(hybrid_model());
  RunningEngine engine(spec_of(model, 2, 1000));
  const auto tokens = random_tokens(160, kVocabulary, 1);
  engine.generate(input(tokens, 24), options(1));
  const auto statistics = engine.engine().cache_statistics();
  const ModelShape& shape = engine.engine().spec().shape;
  const int64_t states = statistics.states * (state_bytes(shape) + 1000);
  CHECK(statistics.states >= 20);
  CHECK(statistics.bytes <= states + 160 * (key_value_bytes(shape) + 4));
}

TEST("ten thousand requests with random cancels and states end right, in memory that does not grow") {
  const RandomModel model;
  auto spec = spec_of(model, 2, 12);
  spec.slots = 8;
  RunningEngine engine(spec);
  std::vector<std::vector<int32_t>> prompts, expected;
  auto generator = random(2);
  for (int i = 0; i < 12; ++i) {
    prompts.push_back(branching(generator, 40));
    auto alone = options(4);
    alone.use_cache = false;
    expected.push_back(engine.generate(input(prompts.back(), 24), alone).tokens);
  }
  std::atomic<int> wrong{0}, whole{0};
  const auto round = [&](int requests) {
    std::vector<std::thread> clients;
    for (int client = 0; client < 4; ++client) {
      clients.emplace_back([&, client] {
        std::mt19937 random(client);
        std::shared_ptr<const SequenceState> state;  // of prompt 0
        for (int i = 0; i < requests / 4; i += 5) {
          std::vector<std::pair<Submitted, size_t>> submitted;
          for (int k = 0; k < 5; ++k) {
            const size_t which = random() % prompts.size();
            JobInput job = input(prompts[which], 24);
            job.tag.job = 100'000 * client + i + k;
            auto wanted = options(4);
            wanted.keep_state = random() % 4 == 0;
            wanted.use_cache = random() % 8 != 0;
            submitted.emplace_back(submit_request(engine.engine(), std::move(job), wanted), which);
            if (random() % 3 == 0) engine.engine().cancel(100'000 * client + i + static_cast<int>(random() % (k + 1)));
          }
          for (auto& [each, which] : submitted) {
            each.settled.get();
            const auto& result = each.request->result();
            const auto& right = expected[which];
            const auto& tokens = result.tokens;
            if (tokens.size() > right.size() || !std::equal(tokens.begin(), tokens.end(), right.begin())) ++wrong;
            if (tokens.size() != right.size()) continue;
            ++whole;
            if (!result.state) continue;
            // Goes on from the state, which shares its memory with the cache.
            JobInput job = input({tokens.back()}, 24);
            job.state = result.state;
            auto again = input(prompts[which], 24);
            again.tokens.insert(again.tokens.end(), tokens.begin(), tokens.end());
            auto next = submit_request(engine.engine(), std::move(job), options(1));
            auto same = submit_request(engine.engine(), std::move(again), options(1));
            next.settled.get();
            same.settled.get();
            if (next.request->result().tokens != same.request->result().tokens) ++wrong;
          }
        }
      });
    }
    for (std::thread& client : clients) client.join();
  };
  round(2000);
  const int64_t before = allocated_bytes;
  round(8000);
  CHECK_EQUAL(wrong.load(), 0);
  CHECK(whole > 2000);
  const auto statistics = engine.engine().cache_statistics();
  CHECK(statistics.bytes <= statistics.budget);
  CHECK(statistics.evictions > 0);
  CHECK(allocated_bytes - before < (int64_t{1} << 20));
}

}  // namespace stateline::test
