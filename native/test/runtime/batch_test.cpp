// Requests side by side: each gets what it gets alone, whoever comes, goes or fails beside it.
#include "runtime/batch.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "test/runtime/allocations.h"

namespace stateline::test {
namespace {

constexpr int64_t kVocabulary = 301;
constexpr int64_t kForever = 1'000'000'000;
#if defined(__SANITIZE_THREAD__)
constexpr int kStressRequests = 2000;  // a minute's work; STATELINE_STRESS_REQUESTS=10000 ran clean
#else
constexpr int kStressRequests = 10'000;
#endif

GenerateOptions options(int64_t tokens, double temperature = 0) {
  return {.max_new_tokens = tokens, .sampling = {.temperature = temperature, .seed = 5}, .stop_tokens = {}};
}

// All ways of choosing a token, by turns.
GenerateOptions sampling(int64_t tokens, int number) {
  GenerateOptions own = options(tokens);
  if (number % 4 == 1) own.sampling = {.temperature = 1, .seed = 5};
  if (number % 4 == 2) own.sampling = {.temperature = 0.8, .top_p = 0.9, .repetition_penalty = 1.2, .seed = 6};
  if (number % 4 == 3) own.sampling = {.temperature = 1.5, .top_k = 70, .min_p = 0.05, .seed = 7, .logprobs = 2};
  return own;
}

EngineSpec spec_of(const RandomModel& model, int ranks, int slots) {
  auto spec = model.spec(ranks);
  spec.slots = slots;
  spec.max_tokens = 24;  // prompts are longer than what a step has room for
  return spec;
}

JobInput prompt(int64_t tokens, int64_t number) {
  JobInput job = input(random_tokens(tokens, kVocabulary, static_cast<uint64_t>(number)), 24);
  job.tag.job = number;
  return job;
}

// Says that it ran.
class MarkingJob final : public Job {
 public:
  MarkingJob(JobInput input, std::atomic<bool>& ran, Settled settled)
      : Job(std::move(input), std::move(settled)), ran_(ran) {}

  void run(Rank& rank) override {
    prefill(rank, [](Step&, View<const float>, int64_t) {});
    if (rank.decides()) ran_ = true;
  }

 private:
  std::atomic<bool>& ran_;
};

// Waits in its middle.
class WaitingJob final : public Job {
 public:
  WaitingJob(JobInput input, std::promise<void>& begun, std::future<void> go_on, Settled settled)
      : Job(std::move(input), std::move(settled)), begun_(begun), go_on_(std::move(go_on)) {}

  void run(Rank& rank) override {
    prefill(rank, [](Step&, View<const float>, int64_t) {});
    if (!rank.decides()) return;
    begun_.set_value();
    go_on_.wait();
  }

 private:
  std::promise<void>& begun_;
  std::future<void> go_on_;
};

}  // namespace

TEST(
    "requests of all lengths and samplings side by side give the tokens each gives alone, for every family and split") {
  for (const auto& shape : {RandomModelOptions{}, hybrid_model()}) {
    const RandomModel model(shape);
    std::vector<std::vector<int32_t>> alone;
    RunningEngine single(spec_of(model, 1, 1));
    for (int i = 0; i < 12; ++i) {
      alone.push_back(single.generate(prompt(1 + 7 * i % 60, i), sampling(3 + i % 5, i)).tokens);
    }
    for (const int ranks : {1, 2, 4}) {
      for (const int slots : {1, 3, 40}) {
        const Context context(text(ranks) + " ranks, " + text(slots) + " slots");
        auto spec = spec_of(model, ranks, slots);
        spec.threads_per_rank = slots > 3 ? 2 : 1;
        RunningEngine engine(spec);
        std::vector<Submitted> requests;
        for (int i = 0; i < 12; ++i) {
          requests.push_back(submit_request(engine.engine(), prompt(1 + 7 * i % 60, i), sampling(3 + i % 5, i)));
        }
        for (int i = 0; i < 12; ++i) {
          requests[i].settled.get();
          CHECK(requests[i].request->result().tokens == alone[i]);
        }
      }
    }
  }
}

TEST("a long prompt holds up nobody who decodes, and later requests join while earlier ones run") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 4));
  std::promise<void> begun;
  std::atomic<int> heard{0}, before_second{0};
  auto first = submit_request(engine.engine(), prompt(5, 1), options(kForever), [&](int32_t) {
    if (++heard == 3) begun.set_value();
  });
  begun.get_future().wait();
  const int at_submission = heard;
  auto second = submit_request(engine.engine(), prompt(500, 2), options(2), [&](int32_t) {
    if (before_second == 0) before_second = heard.load();
  });
  second.settled.get();
  // 500 tokens in steps of at most 23 beside the other's one: over twenty steps, in each of which the first went on.
  CHECK(before_second - at_submission >= 20);
  CHECK(second.request->result().tokens.size() == 2);
  engine.engine().cancel(1);
  first.settled.get();
  CHECK(first.request->result().finish == Finish::cancelled);
}

TEST("whatever long prompts arrive, every step gives each decoding user a token and computes no more than its budget") {
  constexpr int kPrompts = 6, kLength = 200;
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 2 + kPrompts));
  engine.engine().record(true, 1 << 14);
  std::vector<Submitted> prompts;
  std::promise<void> submitted;
  size_t heard = 0, before_second = 0;  // of the first user's tokens; by the deciding rank alone
  Submitted second;
  auto first = submit_request(engine.engine(), prompt(5, 1), options(kForever), [&](int32_t) {
    if (++heard > 1) return;
    second = submit_request(engine.engine(), prompt(5, 2), options(kForever), [&](int32_t) {
      if (before_second > 0) return;
      before_second = heard;
      for (int i = 0; i < kPrompts; ++i) {
        prompts.push_back(submit_request(engine.engine(), prompt(kLength, 3 + i), options(1)));
      }
      submitted.set_value();
    });
  });
  submitted.get_future().wait();
  for (Submitted& each : prompts) each.settled.get();
  for (const int64_t job : {1, 2}) engine.engine().cancel(job);
  first.settled.get();
  second.settled.get();

  std::vector<Span> steps = engine.engine().drain().ranks[0];
  std::erase_if(steps, [](const Span& span) { return span.op != Op::step; });
  const auto reads = [](const Span& step) { return step.tokens > step.sequences; };
  const auto last = static_cast<size_t>(std::find_if(steps.rbegin(), steps.rend(), reads).base() - steps.begin());
  CHECK(std::count_if(steps.begin(), steps.end(), reads) >= kPrompts * kLength / 22);
  for (const Span& step : steps) CHECK(step.tokens <= 24);
  CHECK(first.request->result().tokens.size() >= last);
  CHECK(second.request->result().tokens.size() >= last - (before_second - 1));
}

TEST("a request that is cancelled or whose listener throws ends alone") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 4));
  const auto expected = engine.generate(prompt(9, 1), options(40)).tokens;
  auto steady = submit_request(engine.engine(), prompt(9, 1), options(40));
  auto cancelled = submit_request(engine.engine(), prompt(9, 2), options(kForever));
  auto throwing =
      submit_request(engine.engine(), prompt(9, 3), options(10), [](int32_t) { throw Error("E_TEST", ""); });
  CHECK_THROWS(throwing.settled.get(), "E_TEST");
  engine.engine().cancel(2);
  cancelled.settled.get();
  CHECK(cancelled.request->result().finish == Finish::cancelled);
  steady.settled.get();
  CHECK(steady.request->result().tokens == expected);
}

TEST("a request comes between jobs that keep coming") {
  constexpr int kAtOnce = 3, kMost = 300;
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 2));
  std::atomic<int> ran{0}, ended{0};
  std::atomic<bool> enough{false}, unused{false};
  std::function<void()> again = [&] {
    if (enough || ++ran > kMost) {
      ++ended;
      return;
    }
    JobInput tokens = prompt(100, 50);
    engine.engine().submit(
        std::make_shared<MarkingJob>(std::move(tokens), unused, [&](std::exception_ptr) { again(); }));
  };
  for (int i = 0; i < kAtOnce; ++i) again();
  submit_request(engine.engine(), prompt(9, 1), options(3)).settled.get();
  const int before = ran;
  enough = true;
  while (ended < kAtOnce) std::this_thread::yield();
  CHECK(before <= 3 * kAtOnce);
}

TEST("a long generation makes way for jobs every few steps, and goes on with the same tokens as requests join it") {
  constexpr int kJobs = 5;
  for (const auto& shape : {RandomModelOptions{}, hybrid_model()}) {
    const RandomModel model(shape);
    RunningEngine engine(spec_of(model, 2, 2));
    const auto expected = engine.generate(prompt(9, 1), options(150, 1)).tokens;
    const auto joining = engine.generate(prompt(30, 2), options(3)).tokens;
    std::promise<void> begun, go_on;
    std::atomic<int> heard{0}, at_job[kJobs];
    auto first = submit_request(engine.engine(), prompt(9, 1), options(150, 1), [&](int32_t) {
      if (++heard != 3) return;
      begun.set_value();
      go_on.get_future().wait();
    });
    begun.get_future().wait();
    std::vector<std::future<void>> jobs;
    std::atomic<bool> unused{false};
    for (std::atomic<int>& at : at_job) {
      jobs.push_back(submit(engine.engine(), [&](Job::Settled settled) {
        return std::make_shared<MarkingJob>(prompt(60, 3), unused, [&, settled](std::exception_ptr error) {
          at = heard.load();
          settled(error);
        });
      }));
    }
    auto second = submit_request(engine.engine(), prompt(30, 2), options(3));
    go_on.set_value();
    for (auto& job : jobs) job.get();
    CHECK(at_job[0] <= 12);
    for (int i = 1; i < kJobs; ++i) CHECK(at_job[i] > at_job[i - 1] && at_job[i] <= at_job[i - 1] + 10);
    second.settled.get();
    CHECK(heard < 150);
    CHECK(second.request->result().tokens == joining);
    first.settled.get();
    CHECK(first.request->result().tokens == expected);
  }
}

TEST(
    "while a job runs, a request that made way is cancelled at once, and the others end with their text after a "
    "close") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 3));
  const auto expected = engine.generate(prompt(9, 1), options(40)).tokens;
  std::promise<void> begun, running, go_on;
  auto first = submit_request(engine.engine(), prompt(9, 1), options(40), [&, heard = 0](int32_t) mutable {
    if (++heard == 3) begun.set_value();
    if (heard == 3) running.get_future().wait();
  });
  auto second = submit_request(engine.engine(), prompt(9, 2), options(kForever));
  begun.get_future().wait();
  std::promise<void> in_job;
  auto job = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<WaitingJob>(prompt(9, 3), in_job, go_on.get_future(), std::move(settled));
  });
  running.set_value();
  in_job.get_future().wait();
  engine.engine().cancel(2);
  CHECK(second.settled.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
  CHECK(second.request->result().finish == Finish::cancelled);
  std::promise<void> closed;
  engine.engine().close([&] { closed.set_value(); });
  go_on.set_value();
  closed.get_future().wait();
  job.get();
  first.settled.get();
  CHECK(first.request->result().tokens == expected);
}

TEST("a request that has its last token waits for no job to be settled") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 2));
  for (const bool keep_state : {false, true}) {
    for (int tokens = 4; tokens < 14; ++tokens) {
      const Context context(text(tokens) + (keep_state ? " tokens and the state" : " tokens"));
      std::promise<void> begun, queued, in_job, go_on;
      std::atomic<int> heard{0};
      auto wanted = options(tokens);
      wanted.keep_state = keep_state;
      auto request = submit_request(engine.engine(), prompt(9, 1), wanted, [&](int32_t) {
        if (++heard != 3) return;
        begun.set_value();
        queued.get_future().wait();
      });
      begun.get_future().wait();
      auto job = submit(engine.engine(), [&](Job::Settled settled) {
        return std::make_shared<WaitingJob>(prompt(9, 2), in_job, go_on.get_future(), std::move(settled));
      });
      queued.set_value();
      in_job.get_future().wait();
      const bool settled = request.settled.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
      CHECK_EQUAL(settled, heard == tokens);
      go_on.set_value();
      job.get();
      request.settled.get();
      CHECK_EQUAL(request.request->result().state != nullptr, keep_state);
    }
  }
}

TEST("jobs that wait come between requests that keep coming") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 2));
  std::promise<void> begun, go_on;
  int heard = 0;
  std::vector<Submitted> requests;
  requests.push_back(submit_request(engine.engine(), prompt(9, 0), options(30), [&](int32_t) {
    if (++heard > 1) return;
    begun.set_value();
    go_on.get_future().wait();
  }));
  begun.get_future().wait();
  std::atomic<bool> ran{false}, before_last{false};
  auto job = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<MarkingJob>(prompt(9, 100), ran, std::move(settled));
  });
  for (int i = 1; i < 6; ++i) {
    requests.push_back(
        submit_request(engine.engine(), prompt(9, i), options(5), [&](int32_t) { before_last = ran.load(); }));
  }
  go_on.set_value();
  for (auto& each : requests) each.settled.get();
  job.get();
  CHECK(before_last);
}

TEST("bytes on the wire are shared out among the requests of a step") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 4));
  const int64_t alone = engine.generate(prompt(9, 1), options(5)).wire_bytes;
  std::vector<Submitted> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(submit_request(engine.engine(), prompt(9, 1), options(5)));
  engine.forward(prompt(500, 1));  // what another job sends is not charged to the next request
  double total = 0;
  for (auto& each : requests) {
    each.settled.get();
    total += static_cast<double>(each.request->result().wire_bytes);
    CHECK_NEAR(static_cast<double>(each.request->result().wire_bytes) / static_cast<double>(alone), 1, 0.1);
  }
  CHECK_NEAR(total / static_cast<double>(4 * alone), 1, 1e-4);  // rounded down for each
}

TEST("closing settles every request once: the running ones with their text, the waiting ones with E_CLOSED") {
  const RandomModel model;
  for (int round = 0; round < 5; ++round) {
    RunningEngine engine(spec_of(model, 2, 2));
    std::vector<Submitted> requests;
    for (int i = 0; i < 8; ++i) requests.push_back(submit_request(engine.engine(), prompt(9, i), options(20)));
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    std::promise<void> closed;
    engine.engine().close([&] { closed.set_value(); });
    closed.get_future().get();
    for (auto& each : requests) {
      CHECK(each.settled.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
      try {
        each.settled.get();
        CHECK_EQUAL(each.request->result().tokens.size(), size_t{20});
      } catch (const Error& error) {
        CHECK_EQUAL(error.code, std::string("E_CLOSED"));
      }
    }
    CHECK_THROWS(submit_request(engine.engine(), prompt(9, 1), options(1)), "E_CLOSED");
  }
}

TEST("the tokens of a step are told once, after the last request has its own") {
  const RandomModel model;
  std::vector<int64_t> heard, steps;  // requests since the last call; how many each call found
  std::promise<void> begun, go_on;
  RunningEngine engine(spec_of(model, 2, 3), [&] {
    CHECK(std::ranges::adjacent_find(heard) == heard.end());
    steps.push_back(static_cast<int64_t>(heard.size()));
    heard.clear();
  });
  const auto listen = [&](int64_t number) { return [&heard, number](int32_t) { heard.push_back(number); }; };
  auto first = submit_request(engine.engine(), prompt(3, 0), options(9), [&, started = false](int32_t) mutable {
    heard.push_back(0);
    if (std::exchange(started, true)) return;
    begun.set_value();
    go_on.get_future().wait();
  });
  begun.get_future().wait();
  auto second = submit_request(engine.engine(), prompt(3, 1), options(4), listen(1));
  auto third = submit_request(engine.engine(), prompt(3, 2), options(4), listen(2));
  go_on.set_value();
  for (auto* each : {&first, &second, &third}) each->settled.get();
  CHECK(heard.empty());
  CHECK(steps == std::vector<int64_t>({1, 3, 3, 3, 3, 1, 1, 1, 1}));
}

TEST("a full queue refuses the next request, and has room again when one that waits is cancelled") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 1, 1));
  std::promise<void> begun, go_on;
  auto running = submit_request(engine.engine(), prompt(5, 1), options(1), [&](int32_t) {
    begun.set_value();
    go_on.get_future().wait();
  });
  begun.get_future().wait();
  int settled = 0, submitted = 0;
  const auto waiting = std::make_shared<Request>(
      prompt(5, 2), options(1), kVocabulary, [](int32_t, auto) {}, [&](std::exception_ptr) { ++settled; });
  const auto submit = [&] {
    engine.engine().submit(waiting);
    ++submitted;
  };
  CHECK_THROWS(while (true) submit(), "E_QUEUE_FULL");
  engine.engine().cancel(2);
  CHECK_EQUAL(settled, 1);
  submit();
  CHECK_THROWS(submit(), "E_QUEUE_FULL");
  std::promise<void> closed;
  engine.engine().close([&] { closed.set_value(); });
  go_on.set_value();
  closed.get_future().wait();
  running.settled.get();
  CHECK_EQUAL(settled, submitted);
}

TEST("a model whose file was cut under it refuses every request, those that wait behind another job too") {
  const RandomModel model;
  RunningEngine engine(spec_of(model, 2, 1));
  std::promise<void> begun, cut;
  auto first = submit_request(engine.engine(), prompt(5, 1), options(3), [&, waited = false](int32_t) mutable {
    if (waited) return;
    waited = true;
    begun.set_value();
    cut.get_future().wait();
  });
  begun.get_future().wait();
  auto job = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<ForwardJob>(prompt(5, 2), kVocabulary, std::move(settled));
  });
  auto second = submit_request(engine.engine(), prompt(5, 3), options(3));
  std::filesystem::resize_file(model.path(), 16);
  cut.set_value();
  CHECK_THROWS(first.settled.get(), "E_FILE_CHANGED");
  CHECK_THROWS(job.get(), "E_FILE_CHANGED");
  CHECK_THROWS(second.settled.get(), "E_FILE_CHANGED");
}

TEST(
    "thousands of requests from four threads with random cancels, jobs between them, all end, each with a right "
    "beginning, and leave no memory behind") {
  const char* asked = std::getenv("STATELINE_STRESS_REQUESTS");
  const int each_half = (asked ? std::atoi(asked) : kStressRequests) / 8;  // of a client
  const RandomModel model;
  auto spec = spec_of(model, 2, 5);
  spec.cache_bytes = 1 << 20;  // full after the first hundreds
  RunningEngine engine(spec);
  std::vector<std::vector<int32_t>> expected;
  for (int i = 0; i < 4; ++i) expected.push_back(engine.generate(prompt(3 + 9 * i, i), options(6)).tokens);
  std::atomic<int> wrong{0}, whole{0}, jobs{0};
  const auto serve = [&](int client, int half) {
    std::mt19937 generator(2 * client + half);
    const int first = (2 * client + half) * (each_half + 5) + 10, number_of_job = -2 - client;
    std::atomic<bool> unused{false};
    for (int i = 0; i < each_half; i += 5) {
      std::vector<Submitted> requests;
      std::future<void> job;  // the requests make way for it
      if (generator() % 4 == 0) {
        JobInput tokens = prompt(40, number_of_job);
        job = submit(engine.engine(), [&](Job::Settled settled) {
          return std::make_shared<MarkingJob>(std::move(tokens), unused, std::move(settled));
        });
      }
      for (int k = 0; k < 5; ++k) {
        JobInput job = prompt(3 + 9 * client, client);
        job.tag.job = first + i + k;
        requests.push_back(submit_request(engine.engine(), std::move(job), options(6)));
        if (generator() % 3 == 0) engine.engine().cancel(first + i + static_cast<int>(generator() % (k + 1)));
      }
      if (job.valid() && generator() % 2 == 0) engine.engine().cancel(number_of_job);
      for (auto& each : requests) {
        each.settled.get();
        const auto& tokens = each.request->result().tokens;
        const auto& right = expected[client];
        if (tokens.size() > right.size() || !std::equal(tokens.begin(), tokens.end(), right.begin())) ++wrong;
        if (tokens.size() == right.size()) ++whole;
      }
      if (!job.valid()) continue;
      try {
        job.get();
        ++jobs;
      } catch (const Error& error) {
        if (error.code != "E_ABORTED") ++wrong;
      }
    }
  };
  int64_t bytes[2];
  for (int half = 0; half < 2; ++half) {
    std::vector<std::thread> clients;
    for (int client = 0; client < 4; ++client) clients.emplace_back(serve, client, half);
    for (std::thread& client : clients) client.join();
    bytes[half] = allocated_bytes;
  }
  CHECK_EQUAL(wrong.load(), 0);
  CHECK(whole > 2 * each_half);
  CHECK(jobs > each_half / 10);
  CHECK(bytes[1] - bytes[0] < 64 << 10);
}

}  // namespace stateline::test
