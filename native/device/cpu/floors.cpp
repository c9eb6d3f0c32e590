#include "device/cpu/floors.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "device/cpu/dispatch.h"
#include "device/cpu/memory.h"
#include "device/cpu/team.h"
#include "runtime/error.h"

namespace stateline::cpu {
namespace {

constexpr int64_t kBytes = int64_t{256} << 20;
constexpr int64_t kProductRounds = 500000;  // of ten vectors: some milliseconds
constexpr int64_t kStateRounds = 200000;    // of four
constexpr int kSamples = 3;

// What all threads together do a second; `work` returns what its thread did.
template <class Work>
double rate(Team& team, const Work& work) {
  std::vector<int64_t> done(team.size());
  const auto begin = std::chrono::steady_clock::now();
  team.run([&](int part) { done[part] = work(part); });
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  double total = 0;
  for (const int64_t one : done) total += static_cast<double>(one);
  return total / time.count();
}

double median(std::array<double, kSamples> values) {
  std::ranges::sort(values);
  return values[kSamples / 2];
}

}  // namespace

Floors measure_floors(int threads, const std::atomic<bool>& cancelled) {
  const Kernels& table = kernels();
  Team team(threads);
  const Memory memory(kBytes);
  const int64_t share = kBytes / threads / 64 * 64;
  std::vector<float> kept(threads);  // results, so that no work is dropped
  team.run([&](int part) { std::memset(memory.data() + part * share, 1, share); });

  std::array<double, kSamples> reads, states;
  std::array<std::array<double, kSamples>, 3> flops;
  for (int sample = 0; sample < kSamples; ++sample) {
    if (cancelled) throw Error("E_ABORTED", "measuring the machine's floors was cancelled");
    reads[sample] = rate(team, [&](int part) {
      kept[part] = table.read(memory.data() + part * share, share);
      return share;
    });
    for (size_t type = 0; type < flops.size(); ++type) {
      flops[type][sample] = rate(team, [&](int part) {
        int64_t count = 0;
        kept[part] = table.multiply_add[type](kProductRounds, &count);
        return count;
      });
    }
    states[sample] = rate(team, [&](int part) {
      int64_t count = 0;
      kept[part] = table.update_states(kStateRounds, &count);
      return count;
    });
  }
  return {median(reads), {median(flops[0]), median(flops[1]), median(flops[2])}, median(states)};
}

}  // namespace stateline::cpu
