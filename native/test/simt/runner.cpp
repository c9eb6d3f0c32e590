#include "test/simt/runner.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "test/simt/fiber.h"

thread_local constinit uint3 blockIdx{};
thread_local constinit dim3 gridDim, blockDim;

namespace simt {

thread_local constinit Lane* current_lane = nullptr;

namespace {

constexpr unsigned kMostThreads = 1024;
constexpr size_t kMostShared = 48 << 10;  // bytes a block gets without asking for more

enum class State : uint8_t { ready, at_warp, at_block, done };

struct Thread : Lane {
  State state = State::done;
  Fiber fiber;
};

std::atomic<int64_t> launch_count{0};

std::string& failure_text() {
  static std::string text;
  return text;
}

// STATELINE_SIMT_FAILS, of one kernel.
cudaError_t asked_for() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const char* fails = std::getenv("STATELINE_SIMT_FAILS");
  if (!fails) return cudaSuccess;
  const auto error = static_cast<cudaError_t>(std::atoi(fails));
  unsetenv("STATELINE_SIMT_FAILS");
  return error;
}

// What one host thread runs its blocks with.
class Executor {
 public:
  static Executor& own() {
    static thread_local Executor executor;
    return executor;
  }

  cudaError_t run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body) {
    ++launch_count;
    if (const cudaError_t error = asked_for()) return error;
    const uint64_t count = static_cast<uint64_t>(block.x) * block.y * block.z;
    body_ = &body;
    gridDim = grid;
    blockDim = block;
    prepare(static_cast<int>(count), block);
    for (unsigned z = 0; z < grid.z; ++z) {
      for (unsigned y = 0; y < grid.y; ++y) {
        for (unsigned x = 0; x < grid.x; ++x) {
          blockIdx = {x, y, z};
          // New for every block and exactly as large as asked for: ASan sees what lies outside, NaN what was not set.
          shared_.reset(static_cast<char*>(::operator new(shared_bytes + 1, std::align_val_t(16))));
          std::memset(shared_.get(), 0xff, shared_bytes);
          if (!run_block()) return cudaErrorLaunchFailure;
        }
      }
    }
    return cudaSuccess;
  }

  void leave(State state) {
    Thread& thread = static_cast<Thread&>(*current_lane);
    thread.state = state;
    thread.fiber.leave();
  }

  void* shared() const { return shared_.get(); }
  uint64_t* row(int warp, int half) { return rows_.data() + (2 * warp + half) * kWarp; }
  void misuse(const std::string& what) { misuse_ = what; }

  Order order = Order::forward;

 private:
  struct Free {
    void operator()(char* memory) const { ::operator delete(memory, std::align_val_t(16)); }
  };

  static void main(void* self) {
    for (;;) {
      (*static_cast<Executor*>(self)->body_)();
      static_cast<Executor*>(self)->leave(State::done);
    }
  }

  void prepare(int count, dim3 block) {
    while (static_cast<int>(threads_.size()) < count) threads_.push_back(std::make_unique<Thread>());
    count_ = count;
    warps_ = (count + kWarp - 1) / kWarp;
    rows_.resize(2 * kWarp * warps_);
    for (int i = 0; i < count; ++i) {
      Thread& thread = *threads_[i];
      const unsigned u = static_cast<unsigned>(i);
      thread.thread = {u % block.x, u / block.x % block.y, u / block.x / block.y};
      thread.warp = i / kWarp;
      thread.lane = i % kWarp;
      if (!thread.fiber.started()) thread.fiber.start(&Executor::main, this);
    }
  }

  // All that are ready, each until it waits or ends; those of a warp again while its exchanges complete.
  void run_warp(int warp) {
    const int begin = warp * kWarp, end = std::min(begin + kWarp, count_);
    for (bool again = true; again;) {
      visit(begin, end, [&](Thread& thread) {
        if (thread.state != State::ready) return;
        current_lane = &thread;
        thread.fiber.enter();
      });
      again = false;
      for (int i = begin; i < end && !again; ++i) again = threads_[i]->state == State::at_warp;
      for (int i = begin; i < end && again; ++i) again = threads_[i]->state == State::at_warp;
      if (again) {
        for (int i = begin; i < end; ++i) threads_[i]->state = State::ready;
      }
    }
  }

  template <class Each>
  void visit(int begin, int end, Each each) {
    if (order == Order::forward) {
      for (int i = begin; i < end; ++i) each(*threads_[i]);
    } else if (order == Order::backward) {
      for (int i = end; i-- > begin;) each(*threads_[i]);
    } else {
      int lanes[kWarp];
      for (int i = begin; i < end; ++i) lanes[i - begin] = i;
      std::shuffle(lanes, lanes + (end - begin), generator_);
      for (int i = begin; i < end; ++i) each(*threads_[lanes[i - begin]]);
    }
  }

  bool run_block() {
    for (int i = 0; i < count_; ++i) {
      threads_[i]->state = State::ready;
      threads_[i]->half = 0;
    }
    std::vector<int> warps(warps_);
    for (int i = 0; i < warps_; ++i) warps[i] = order == Order::backward ? warps_ - 1 - i : i;
    for (;;) {
      if (order == Order::shuffled) std::shuffle(warps.begin(), warps.end(), generator_);
      for (const int warp : warps) run_warp(warp);
      int done = 0, at_block = 0;
      for (int i = 0; i < count_; ++i) {
        done += threads_[i]->state == State::done;
        at_block += threads_[i]->state == State::at_block;
      }
      if (!misuse_.empty()) return abandon(misuse_);
      if (done == count_) return true;
      if (done + at_block < count_) return abandon("a shuffle or __syncwarp that not all lanes of a warp have reached");
      if (done > 0) return abandon("a __syncthreads that some threads have returned without reaching");
      for (int i = 0; i < count_; ++i) threads_[i]->state = State::ready;
    }
  }

  // Fibers in the middle of a kernel cannot be used again.
  bool abandon(const std::string& what) {
    failure_text() = "block (" + std::to_string(blockIdx.x) + ", " + std::to_string(blockIdx.y) + ", " +
                     std::to_string(blockIdx.z) + ") waits at " + what;
    misuse_.clear();
    threads_.clear();
    return false;
  }

  const std::function<void()>* body_ = nullptr;
  std::vector<std::unique_ptr<Thread>> threads_;
  int count_ = 0;
  int warps_ = 0;
  std::vector<uint64_t> rows_;
  std::unique_ptr<char, Free> shared_;
  std::string misuse_;
  std::mt19937 generator_{20240521};
};

}  // namespace

void set_order(Order order) { Executor::own().order = order; }
cudaError_t run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body) {
  return Executor::own().run(grid, block, shared_bytes, body);
}
Order order() { return Executor::own().order; }
const std::string& failure() { return failure_text(); }
cudaError_t check(dim3 grid, dim3 block, size_t shared_bytes) {
  const uint64_t count = static_cast<uint64_t>(block.x) * block.y * block.z;
  const bool fine = count > 0 && count <= kMostThreads && block.z <= 64 && shared_bytes <= kMostShared && grid.x > 0 &&
                    grid.x <= INT32_MAX && grid.y > 0 && grid.z > 0 && grid.y <= 65535 && grid.z <= 65535;
  return fine ? cudaSuccess : cudaErrorInvalidConfiguration;
}
int64_t launches() { return launch_count; }

void* shared_memory() { return Executor::own().shared(); }
void sync_block() { Executor::own().leave(State::at_block); }

void sync_warp(unsigned mask) {
  Executor& executor = Executor::own();
  const unsigned size = blockDim.x * blockDim.y * blockDim.z;
  const unsigned lanes = std::min<unsigned>(kWarp, size - static_cast<unsigned>(current_lane->warp) * kWarp);
  const unsigned all = lanes == kWarp ? 0xffffffffu : (1u << lanes) - 1;
  if ((mask & all) != all) executor.misuse("an exchange among part of a warp, which this runner does not know");
  executor.leave(State::at_warp);
}

uint64_t* exchange_row(int half) { return Executor::own().row(current_lane->warp, half); }

unsigned ballot(unsigned mask, bool vote) {
  const uint64_t* row = exchange_row(current_lane->half);
  exchange(mask, static_cast<uint64_t>(vote), current_lane->lane);
  const unsigned size = blockDim.x * blockDim.y * blockDim.z;
  unsigned votes = 0;
  for (int lane = 0; lane < kWarp && static_cast<unsigned>(current_lane->warp * kWarp + lane) < size; ++lane) {
    votes |= (row[lane] ? 1u : 0u) << lane;
  }
  return votes;
}

}  // namespace simt
