#include "runtime/all_reduce_timer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
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
  check(spec.most_ms >= 0, "mostMs", "0 or more", spec.most_ms);
  check(!spec.values.empty(), "values", "at least one", 0);
  check(!spec.wires.empty(), "wires", "at least one", 0);
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

// [rounds, each] as [each, rounds], without the round that woke the ranks and filled the caches, where there are
// others.
std::vector<double> by_round_last(std::vector<double> times, size_t each) {
  if (times.size() > each) times.erase(times.begin(), times.begin() + static_cast<ptrdiff_t>(each));
  const size_t rounds = times.size() / each;
  std::vector<double> out(times.size());
  for (size_t i = 0; i < times.size(); ++i) out[i % each * rounds + i / each] = times[i];
  return out;
}

std::exception_ptr cancelled() {
  return std::make_exception_ptr(Error("E_ABORTED", "measuring AllReduce was cancelled"));
}

}  // namespace

AllReduceTimer::AllReduceTimer(AllReduceTimerSpec spec) : spec_(checked(std::move(spec))) {}

std::vector<double> AllReduceTimer::run() {
  auto group = std::make_unique<InProcessGroup>(options_for(spec_));
  {
    std::lock_guard lock(mutex_);
    group_ = std::move(group);
    if (cancelled_) group_->abort(cancelled());
  }
  std::vector<double> times;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto fail = [&](std::exception_ptr error) {
    group_->abort(error);
    std::lock_guard lock(mutex);
    if (!failure) failure = error;
  };
  const auto rank = [&](int index) {
    try {
      Recorder recorder;  // off
      measure(*group_->join(index, recorder), times);
    } catch (...) {
      fail(std::current_exception());
    }
  };
  {
    std::vector<std::jthread> threads;
    try {
      for (int index = 0; index < spec_.ranks; ++index) threads.emplace_back(rank, index);
    } catch (const std::system_error& refused) {  // those that run wait for this one
      fail(std::make_exception_ptr(
          Error("E_THREADS", std::string("the system starts no more threads: ") + refused.what())));
    }
  }
  if (!failure) return by_round_last(std::move(times), spec_.values.size() * spec_.wires.size());
  try {
    std::rethrow_exception(failure);
  } catch (const CollectiveAborted& aborted) {
    std::rethrow_exception(aborted.reason);
  }
}

void AllReduceTimer::cancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (group_) group_->abort(cancelled());
}

int AllReduceTimer::repeats(int64_t values) const {
  const double most = std::min(kMostRepeats, kMostDecades / std::log10(spec_.ranks));
  return static_cast<int>(std::clamp(static_cast<double>(kValuesATiming / values), 1.0, most));
}

void AllReduceTimer::measure(Communicator& communicator, std::vector<double>& times) {
  const bool decides = communicator.rank() == 0;
  std::vector<float> contribution(std::ranges::max(spec_.values)), values(contribution.size());
  for (size_t i = 0; i < contribution.size(); ++i) {
    contribution[i] = static_cast<float>(static_cast<int>((i * 37 + communicator.rank()) % 255) - 127);
  }
  const int64_t start = monotonic_ns();
  for (int round = 0; round <= spec_.rounds; ++round) {
    if (round > 0 && spec_.most_ms > 0) {
      if (decides) over_ = monotonic_ns() - start > spec_.most_ms * 1'000'000;
      communicator.barrier();
      if (over_) return;
    }
    for (const int64_t count : spec_.values) {
      const int repeated = repeats(count);
      for (const WireType wire : spec_.wires) {
        std::copy_n(contribution.begin(), count, values.begin());
        communicator.barrier();
        const int64_t begin = monotonic_ns();
        for (int i = 0; i < repeated; ++i) {
          communicator.all_reduce({values.data(), 1, count, count}, {wire, spec_.group}, Op::all_reduce_out_proj);
        }
        const auto took = static_cast<double>(monotonic_ns() - begin);
        if (decides) times.push_back(took / repeated);
      }
    }
  }
}

}  // namespace stateline
