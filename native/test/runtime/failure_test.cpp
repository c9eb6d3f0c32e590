// Jobs that are cancelled, ranks that fail, engines that end early, files that are wrong.
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

constexpr int64_t kVocabulary = 301;
constexpr int64_t kForever = 1'000'000'000;

const GenerateOptions kFour{.max_new_tokens = 4, .sampling = {}, .stop_tokens = {}};

JobInput numbered(int64_t number) {
  JobInput job = input(random_tokens(9, kVocabulary));
  job.tag.job = number;
  return job;
}

// Fails on one rank after a few collectives; the others wait for it.
class FailingJob final : public Job {
 public:
  FailingJob(JobInput input, int rank, Settled settled) : Job(std::move(input), std::move(settled)), rank_(rank) {}

  void run(Rank& rank) override {
    prefill(rank, [&](Step&, View<const float>, int64_t first) {
      if (first >= 4 && rank.index() == rank_) throw Error("E_TEST", "this rank fails");
    });
  }

 private:
  int rank_;
};

}  // namespace

TEST("a generation is cancelled within one step on all ranks, and the next job is right") {
  const RandomModel model;
  for (const int ranks : {1, 2, 4}) {
    RunningEngine engine(model.spec(ranks));
    const auto expected = engine.generate(numbered(1), kFour).tokens;
    int heard = 0;
    const auto cancelled =
        engine.generate(numbered(2), {.max_new_tokens = kForever, .sampling = {}, .stop_tokens = {}}, [&](int32_t) {
          if (++heard == 10) engine.engine().cancel(2);
        });
    CHECK(cancelled.finish == Finish::cancelled);
    CHECK_EQUAL(cancelled.tokens.size(), size_t{10});
    CHECK(engine.generate(numbered(3), kFour).tokens == expected);
  }
}

TEST("a cancelled generation's text can be continued; a cancelled score has no result") {
  const RandomModel model;
  RunningEngine engine(model.spec(2));
  const auto whole = engine.generate(numbered(1), {.max_new_tokens = 15, .sampling = {}, .stop_tokens = {}}).tokens;
  int heard = 0;
  const auto cancelled = engine.generate(
      numbered(2), {.max_new_tokens = kForever, .sampling = {}, .stop_tokens = {}, .keep_state = true}, [&](int32_t) {
        if (++heard == 5) engine.engine().cancel(2);
      });
  auto text = cancelled.tokens;
  JobInput more = input({text.back()});
  more.state = cancelled.state;
  const auto rest = engine.generate(more, {.max_new_tokens = 10, .sampling = {}, .stop_tokens = {}}).tokens;
  text.insert(text.end(), rest.begin(), rest.end());
  CHECK(text == whole);

  JobInput job = input(random_tokens(200000, kVocabulary), 1);
  job.tag.job = 3;
  auto pending = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<ScoreJob>(std::move(job), std::move(settled));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  engine.engine().cancel(3);
  CHECK_THROWS(pending.get(), "E_ABORTED");
  CHECK_EQUAL(engine.generate(numbered(5), kFour).tokens.size(), size_t{4});
}

TEST("a queued job is cancelled at once, while another runs") {
  const RandomModel model;
  RunningEngine engine(model.spec(2));
  auto running =
      submit_request(engine.engine(), numbered(1), {.max_new_tokens = kForever, .sampling = {}, .stop_tokens = {}})
          .settled;
  auto queued = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<ForwardJob>(numbered(2), kVocabulary, std::move(settled));
  });
  engine.engine().cancel(2);
  CHECK_THROWS(queued.get(), "E_ABORTED");
  CHECK(running.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  engine.engine().cancel(1);
  running.get();
}

TEST("a rank that throws in the middle of a step ends its job with that error, and the engine serves on") {
  const RandomModel model(hybrid_model());
  RunningEngine engine(model.spec(4));
  const auto expected = engine.generate(numbered(1), kFour).tokens;
  for (int rank = 0; rank < 4; ++rank) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK_THROWS(engine.run([&](Job::Settled settled) {
      JobInput job = numbered(2);
      job.chunk = 2;
      return std::make_shared<FailingJob>(std::move(job), rank, std::move(settled));
    }),
                 "E_TEST");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
    CHECK(engine.generate(numbered(4), kFour).tokens == expected);
  }
}

TEST("closing waits for the running job, and settles queued and later ones with E_CLOSED") {
  const RandomModel model;
  RunningEngine engine(model.spec(2));
  std::promise<void> begun, go_on;
  int heard = 0;
  auto running = submit_request(engine.engine(), numbered(1), kFour, [&](int32_t) {
                   if (++heard > 1) return;
                   begun.set_value();
                   go_on.get_future().wait();
                 }).settled;
  begun.get_future().wait();
  auto queued = submit(engine.engine(), [&](Job::Settled settled) {
    return std::make_shared<ForwardJob>(numbered(2), kVocabulary, std::move(settled));
  });
  std::promise<void> closed;
  engine.engine().close([&] { closed.set_value(); });
  CHECK_THROWS(queued.get(), "E_CLOSED");
  go_on.set_value();
  closed.get_future().get();
  CHECK(running.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
  CHECK_EQUAL(heard, 4);
  CHECK_THROWS(engine.forward(numbered(3)), "E_CLOSED");
  std::promise<void> again;
  engine.engine().close([&] { again.set_value(); });
  again.get_future().get();
}

TEST("an engine may be destroyed in the middle of a generation, and while it loads") {
  const RandomModel model;
  for (int round = 0; round < 5; ++round) {
    std::future<void> running;
    {
      RunningEngine engine(model.spec(4));
      running =
          submit_request(engine.engine(), numbered(1), {.max_new_tokens = kForever, .sampling = {}, .stop_tokens = {}})
              .settled;
      std::this_thread::sleep_for(std::chrono::milliseconds(round));
    }
    CHECK(running.wait_for(std::chrono::seconds(0)) == std::future_status::ready);
    const Engine loading(
        model.spec(2), [](int64_t, int64_t) {}, [](std::exception_ptr) {});
  }
}

TEST("loading reports bytes up to the total, and can be cancelled") {
  const RandomModel model;
  std::atomic<int64_t> most{0}, total{0};
  std::promise<void> loaded;
  Engine engine(
      model.spec(3),
      [&](int64_t done, int64_t all) {
        total = all;
        for (int64_t seen = most; seen < done && !most.compare_exchange_weak(seen, done);) {
        }
      },
      [&](std::exception_ptr error) { error ? loaded.set_exception(error) : loaded.set_value(); });
  loaded.get_future().get();
  CHECK(total > 0);
  CHECK_EQUAL(most.load(), total.load());

  std::promise<void> cancelled;
  std::atomic<Engine*> target{nullptr};
  Engine other(
      model.spec(2),
      [&](int64_t, int64_t) {
        while (!target) std::this_thread::yield();
        target.load()->cancel_load();
      },
      [&](std::exception_ptr error) { error ? cancelled.set_exception(error) : cancelled.set_value(); });
  target = &other;
  CHECK_THROWS(cancelled.get_future().get(), "E_ABORTED");
}

TEST("a truncated, missing or incomplete checkpoint is refused by name") {
  const RandomModel model;
  auto missing = model.spec(2);
  missing.files = {model.path() + ".none"};
  CHECK_THROWS(RunningEngine{missing}, "E_CHECKPOINT_READ");
  missing.files = {std::filesystem::temp_directory_path().string()};
  CHECK_THROWS(RunningEngine{missing}, "E_CHECKPOINT_READ");

  auto without = model.spec(2);
  std::erase_if(without.tensors,
                [](const EngineTensor& tensor) { return tensor.role == Role::d && tensor.layer == 1; });
  CHECK_THROWS(RunningEngine{without}, "E_TENSOR_MISSING");

  auto wrong = model.spec(2);
  for (EngineTensor& tensor : wrong.tensors) {
    if (tensor.role == Role::a_log) --tensor.ranks[1].rows[0].begin;
  }
  CHECK_THROWS(RunningEngine{wrong}, "E_TENSOR_SHAPE");

  auto outside = model.spec(2);
  outside.tensors[3].ranks[1].rows[0].end += 1;
  CHECK_THROWS(RunningEngine{outside}, "E_PLAN");

  auto far = model.spec(2);
  far.tensors[3].byte_offset = ~uint64_t{0} - 10;
  CHECK_THROWS(RunningEngine{far}, "E_CHECKPOINT_TRUNCATED");

  for (const uintmax_t size : {std::filesystem::file_size(model.path()) - 1, uintmax_t{100}, uintmax_t{0}}) {
    std::filesystem::resize_file(model.path(), size);
    try {
      RunningEngine engine(model.spec(2));
      CHECK(!"it loaded");
    } catch (const Error& error) {
      CHECK_EQUAL(error.code, std::string("E_CHECKPOINT_TRUNCATED"));
      CHECK_EQUAL(error.details.at("file"), model.path());
      CHECK(error.details.contains("tensor"));
    }
  }
}

TEST("jobs that cannot run are refused before they start") {
  const RandomModel model;
  RunningEngine engine(model.spec(2));
  CHECK_THROWS(engine.forward(input({})), "E_OPTION");
  CHECK_THROWS(engine.forward(input({1, 301})), "E_TOKEN");
  CHECK_THROWS(engine.forward(input({-1})), "E_TOKEN");
  CHECK_THROWS(engine.forward(input({1}, 0)), "E_OPTION");
  CHECK_THROWS(engine.forward(input({1}, 65)), "E_OPTION");
  for (const Sampling sampling :
       {Sampling{.temperature = -1}, Sampling{.temperature = NAN}, Sampling{.top_k = -1}, Sampling{.top_p = 0},
        Sampling{.top_p = 1.5}, Sampling{.min_p = -0.1}, Sampling{.min_p = 1.1}, Sampling{.repetition_penalty = 0},
        Sampling{.repetition_penalty = INFINITY}, Sampling{.logprobs = -2}}) {
    CHECK_THROWS(engine.generate(input({1}), {.max_new_tokens = 1, .sampling = sampling, .stop_tokens = {}}),
                 "E_OPTION");
  }
}

}  // namespace stateline::test
