#include "runtime/all_reduce_timer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "comm/message.h"
#include "trace/clock.h"

namespace stateline {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 26;
constexpr int64_t kValuesATiming = int64_t{1} << 17;  // small messages repeat until the clock's own cost is lost
constexpr double kMostRepeats = 64;
constexpr double kMostDecades = 30;  // of growth: repeated sums stay finite in f32

void check(bool fine, const char* name, const std::string& must, int64_t value) {
  if (fine) return;
  throw Error("E_OPTION", std::string(name) + " must be " + must + ", got " + std::to_string(value),
              {{"option", name}, {"value", std::to_string(value)}});
}

AllReduceTimerSpec checked(AllReduceTimerSpec spec) {
  check(spec.ranks >= 2 && spec.ranks <= InProcessGroup::kMaxRanks, "ranks",
        "2 to " + std::to_string(InProcessGroup::kMaxRanks), spec.ranks);
  check(spec.threads_per_rank >= 1, "threadsPerRank", "1 or more", spec.threads_per_rank);
  check(spec.group >= 1, "group", "1 or more", spec.group);
  check(spec.rounds >= 1, "rounds", "1 or more", spec.rounds);
  check(!spec.values.empty(), "values", "at least one", 0);
  for (const int64_t count : spec.values) {
    check(count >= 1 && count <= kMostValues, "values", "1 to " + std::to_string(kMostValues), count);
  }
  return spec;
}

InProcessOptions options_for(const AllReduceTimerSpec& spec) {
  InProcessOptions options;
  options.ranks = spec.ranks;
  options.threads = spec.ranks * spec.threads_per_rank;
  for (const int64_t count : spec.values) {
    for (const WireType wire : spec.wires) {
      const Message message({nullptr, 1, count, count}, {wire, spec.group});
      options.message_bytes = std::max(options.message_bytes, message.bytes());
    }
  }
  return options;
}

}  // namespace

AllReduceTimer::AllReduceTimer(AllReduceTimerSpec spec) : spec_(checked(std::move(spec))), group_(options_for(spec_)) {}

std::vector<double> AllReduceTimer::run() {
  std::vector<double> out(spec_.values.size() * spec_.wires.size() * spec_.rounds);
  std::mutex mutex;
  std::exception_ptr failure;
  const auto rank = [&](int index) {
    try {
      Recorder recorder;  // off
      measure(*group_.join(index, recorder), out);
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      group_.abort(error);
      std::lock_guard lock(mutex);
      if (!failure) failure = error;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int index = 0; index < spec_.ranks; ++index) threads.emplace_back(rank, index);
  }
  if (!failure) return out;
  try {
    std::rethrow_exception(failure);
  } catch (const CollectiveAborted& aborted) {
    std::rethrow_exception(aborted.reason);
  }
}

void AllReduceTimer::cancel() {
  group_.abort(std::make_exception_ptr(Error("E_ABORTED", "measuring AllReduce was cancelled")));
}

int AllReduceTimer::repeats(int64_t values) const {
  const double most = std::min(kMostRepeats, kMostDecades / std::log10(spec_.ranks));
  return static_cast<int>(std::clamp(static_cast<double>(kValuesATiming / values), 1.0, most));
}

// The round before the first touches memory and wakes the ranks.
void AllReduceTimer::measure(Communicator& communicator, std::vector<double>& out) const {
  std::vector<float> values(std::ranges::max(spec_.values));
  for (int round = -1; round < spec_.rounds; ++round) {
    size_t at = 0;
    for (const int64_t count : spec_.values) {
      const int times = repeats(count);
      for (const WireType wire : spec_.wires) {
        for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>((i * 37 + communicator.rank()) % 255 - 127);
        communicator.barrier();
        const int64_t begin = monotonic_ns();
        for (int i = 0; i < times; ++i) {
          communicator.all_reduce({values.data(), 1, count, count}, {wire, spec_.group}, Op::all_reduce_out_proj);
        }
        const auto took = static_cast<double>(monotonic_ns() - begin);
        if (communicator.rank() == 0 && round >= 0) out[at + round] = took / times;
        at += spec_.rounds;
      }
    }
  }
}

}  // namespace stateline
