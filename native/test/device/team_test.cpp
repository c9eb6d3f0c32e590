#include "device/cpu/team.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "test/check.h"

namespace stateline::test {
namespace {

using cpu::Team;

TEST("each part of a round runs exactly once, and the round ends after all of them") {
  for (const int threads : {1, 2, 3, 8}) {
    Team team(threads);
    CHECK_EQUAL(team.size(), threads);
    std::vector<int> calls(threads, 0);  // plain memory: rounds must order it
    for (int round = 1; round <= 2000; ++round) {
      team.run([&](int part) { ++calls[part]; });
      for (const int count : calls) {
        if (count != round) CHECK_EQUAL(count, round);
      }
    }
  }
}

TEST("a split covers every index once, in shares cut at the grain") {
  for (const int threads : {1, 2, 3, 5}) {
    Team team(threads);
    for (const int64_t grain : {1, 4, 64}) {
      for (const int64_t count : {0, 1, 3, 64, 65, 1000}) {
        std::vector<int> seen(count, 0);
        std::atomic<int> misplaced{0};
        team.split(count, grain, [&](int64_t begin, int64_t end) {
          if (begin % grain || begin >= end || end > count) ++misplaced;
          for (int64_t i = begin; i < end; ++i) ++seen[i];
        });
        CHECK_EQUAL(misplaced.load(), 0);
        for (const int times : seen) CHECK_EQUAL(times, 1);
      }
    }
  }
}

TEST("a team wakes from sleep") {
  Team team(3);
  std::atomic<int> calls{0};
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    team.run([&](int) { ++calls; });
  }
  CHECK_EQUAL(calls.load(), 9);
}

TEST("teams with more threads than cores share them and finish") {
  std::vector<std::thread> ranks;
  std::atomic<int64_t> total{0};
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([&] {
      Team team(4);
      for (int round = 0; round < 300; ++round) team.run([&](int part) { total += part; });
    });
  }
  for (std::thread& rank : ranks) rank.join();
  CHECK_EQUAL(total.load(), 4 * 300 * 6);
}

TEST("a team that never worked ends at once") {
  for (int i = 0; i < 20; ++i) Team team(4);
}

}  // namespace
}  // namespace stateline::test
