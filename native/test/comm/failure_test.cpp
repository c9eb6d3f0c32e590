// Ranks that fail, disagree, or are many more than cores.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <string>
#include <thread>

#include "test/check.h"
#include "test/comm/ranks.h"

namespace stateline::test {
namespace {

InProcessOptions small(int ranks) {
  InProcessOptions options;
  options.ranks = ranks;
  options.threads = ranks;
  options.message_bytes = 1 << 16;
  return options;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST("a rank that fails releases the others within a second, and the group serves again after a reset") {
  for (int failing = 0; failing < 4; ++failing) {
    Ranks ranks(small(4));
    const auto begin = std::chrono::steady_clock::now();
    const auto codes = ranks.run([&](Communicator& communicator) {
      std::vector<float> values(100, 1.0f);
      const View<float> view{values.data(), 1, 100, 100};
      communicator.all_reduce(view, {}, Op::all_reduce_x_proj);
      if (communicator.rank() == failing) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // by then the others sleep
        throw Error("E_TEST", "this rank fails");
      }
      communicator.all_reduce(view, {}, Op::all_reduce_x_proj);
    });
    CHECK(seconds_since(begin) < 1);
    for (int rank = 0; rank < 4; ++rank) {
      CHECK_EQUAL(codes[rank], std::string(rank == failing ? "E_TEST" : "E_COLLECTIVE_ABORTED"));
    }

    ranks.group().reset();
    std::vector<float> sums(4);
    CHECK(all_done(ranks.run([&](Communicator& communicator) {
      float& value = sums[communicator.rank()];
      value = static_cast<float>(communicator.rank());
      communicator.all_reduce({&value, 1, 1, 1}, {}, Op::all_reduce_x_proj);
    })));
    for (const float sum : sums) CHECK_EQUAL(sum, 6.0f);
  }
}

TEST("an abort reaches ranks that come to the collective later") {
  Ranks ranks(small(2));
  ranks.group().abort(std::make_exception_ptr(Error("E_TEST", "early")));
  const auto codes = ranks.run([&](Communicator& communicator) { communicator.barrier(); });
  for (const auto& code : codes) CHECK_EQUAL(code, std::string("E_COLLECTIVE_ABORTED"));
}

TEST("an abort at any moment of any collective releases all ranks within a second, and after a reset sums are right") {
  auto generator = random(4);
  for (int round = 0; round < 60; ++round) {
    const int ranks = 2 + static_cast<int>(generator() % 7);
    auto options = small(ranks);
    options.threads = generator() % 2 ? ranks : 1;  // ranks that sleep, and ranks that spin
    options.two_shot_from = generator() % 2 ? 0 : 1 << 20;
    Ranks group(options);
    for (int again = 0; again < 3; ++again) {
      const uint64_t shared_seed = generator();
      const auto delay = std::chrono::microseconds(generator() % 3000);
      std::atomic<int> wrong{0};
      std::chrono::steady_clock::time_point aborted;
      std::thread stranger([&] {
        std::this_thread::sleep_for(delay);
        aborted = std::chrono::steady_clock::now();
        group.group().abort(std::make_exception_ptr(Error("E_TEST", "enough")));
      });
      const auto codes = group.run([&](Communicator& communicator) {
        std::mt19937_64 same(shared_seed);
        std::vector<float> values(3000);
        for (;;) {
          const auto columns = static_cast<int64_t>(1 + same() % 3000);
          const View<float> view{values.data(), 1, columns, columns};
          const Reduction reduction{static_cast<WireType>(1 + same() % 4), 100};
          const int root = static_cast<int>(same() % ranks);
          std::fill(values.begin(), values.end(), 1.0f);
          switch (same() % 4) {
            case 0:
              communicator.broadcast(view, root, Op::all_reduce_out_proj);
              break;
            case 1:
              communicator.reduce(view, root, reduction, Op::all_reduce_out_proj);
              break;
            case 2:
              communicator.barrier();
              break;
            default:
              communicator.all_reduce(view, reduction, Op::all_reduce_out_proj);
              for (int64_t i = 0; i < columns; ++i) wrong += std::abs(values[i] - ranks) > 1e-3f;
          }
        }
      });
      stranger.join();
      CHECK(seconds_since(aborted) < 1);
      for (const auto& code : codes) CHECK_EQUAL(code, std::string("E_COLLECTIVE_ABORTED"));
      CHECK_EQUAL(wrong.load(), 0);
      group.group().reset();
    }
  }
}

TEST("a collective that some ranks do not come to ends after its time-out and names them") {
  auto options = small(4);
  options.timeout_ms = 30;
  Ranks ranks(options);
  std::promise<void> here, over;
  const auto contributed = here.get_future().share(), ended = over.get_future().share();
  std::string missing;
  const auto codes = ranks.run([&](Communicator& communicator) {
    float value = 1;
    const View<float> view{&value, 1, 1, 1};
    const int rank = communicator.rank();
    if (rank == 1 || rank == 2) ended.wait();
    if (rank == 0) contributed.wait();
    communicator.start(view, {}, Op::all_reduce_out_proj);
    if (rank == 3) {
      here.set_value();
      ended.wait();
    }
    try {
      communicator.finish();
    } catch (const Error& error) {
      if (rank != 0) throw;
      missing = error.details.at("missing");
      communicator.abort(std::current_exception());
      over.set_value();
      throw;
    }
  });
  CHECK_EQUAL(missing, std::string("1, 2"));
  CHECK_EQUAL(codes[0], std::string("E_COLLECTIVE_TIMEOUT"));
  for (const int rank : {1, 2, 3}) CHECK_EQUAL(codes[rank], std::string("E_COLLECTIVE_ABORTED"));
}

TEST("ranks that reduce different shapes get an error, not a wrong sum") {
  Ranks ranks(small(3));
  const auto codes = ranks.run([&](Communicator& communicator) {
    std::vector<float> values(100, 1.0f);
    const int64_t columns = communicator.rank() == 2 ? 50 : 100;
    communicator.all_reduce({values.data(), 1, columns, columns}, {}, Op::all_reduce_x_proj);
  });
  CHECK(std::ranges::count(codes, "E_COLLECTIVE_MISMATCH") > 0);
  CHECK(std::ranges::count(codes, "") == 0);
}

TEST("verification notices a rank that holds other bits than the rest") {
  auto options = small(3);
  options.verify = true;
  Ranks ranks(options);
  const auto codes = ranks.run([&](Communicator& communicator) {
    std::vector<float> values(64);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    // Rank 1's rows overlap, so that its second row spoils the sum in its first.
    const int64_t stride = communicator.rank() == 1 ? 4 : 8;
    communicator.all_reduce({values.data(), 4, 8, stride}, {}, Op::all_reduce_out_proj);
  });
  // Whoever notices first releases the others.
  CHECK(std::ranges::count(codes, "E_RANKS_DIVERGED") > 0);
  CHECK(std::ranges::count(codes, "") == 0);
}

TEST("a message that does not fit the buffers is refused") {
  Ranks ranks(small(2));
  const auto codes = ranks.run([&](Communicator& communicator) {
    std::vector<float> values(1 << 16);
    communicator.all_reduce({values.data(), 1, 1 << 16, 1 << 16}, {}, Op::all_reduce_out_proj);
  });
  CHECK(std::ranges::count(codes, "E_COLLECTIVE_SIZE") > 0);
  CHECK(std::ranges::count(codes, "") == 0);
}

TEST("thousands of reductions of changing size and wire, computing in between, on more ranks than cores") {
  constexpr int kRanks = 8;
  constexpr int kRounds = 1500;
  auto options = small(kRanks);
  options.two_shot_from = 200;
  Ranks ranks(options);
  std::atomic<int> wrong{0};
  const uint64_t shared_seed = random(3)();
  const auto codes = ranks.run([&](Communicator& communicator) {
    std::mt19937_64 same(shared_seed);  // all ranks draw the same
    std::vector<float> values(4000);
    for (int round = 0; round < kRounds; ++round) {
      const int64_t columns = 1 + static_cast<int64_t>(same() % 400);
      const int64_t rows = 1 + static_cast<int64_t>(same() % 4);
      const WireType wire = static_cast<WireType>(1 + same() % 4);
      const float value = static_cast<float>(1 + same() % 7);
      std::fill(values.begin(), values.end(), value);
      const View<float> view{values.data(), rows, columns, columns};
      communicator.start(view, {wire, 64}, Op::all_reduce_out_proj);
      float busy = 0;
      const uint64_t work = same() % 500;
      for (uint64_t i = 0; i < work; ++i) busy += static_cast<float>(i);
      communicator.finish();
      // The same value everywhere in a group is exact on every wire up to the last bits of an int8 scale.
      const float expected = value * kRanks;
      for (int64_t i = 0; i < rows * columns; ++i) wrong += std::abs(values[i] - expected) > 1e-4f * expected;
      if (busy < 0) ++wrong;
      if (round % 10 == 0) communicator.barrier();
    }
  });
  CHECK(all_done(codes));
  CHECK_EQUAL(wrong.load(), 0);
}

}  // namespace stateline::test
