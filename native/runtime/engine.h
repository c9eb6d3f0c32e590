// The engine: one thread a rank, which loads its part of the model and then takes jobs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/batch.h"
#include "runtime/engine_spec.h"
#include "runtime/job_queue.h"
#include "runtime/rank.h"
#include "trace/clock.h"

namespace stateline {

struct DrainedSpans {
  std::vector<std::vector<Span>> ranks;  // begin and end in nanoseconds of the monotonic clock
  size_t lost = 0;                       // since the last drain
};

class Engine {
 public:
  // Called by the ranks' threads after each tensor.
  using Progress = std::function<void(int64_t done, int64_t total)>;
  using Loaded = std::function<void(std::exception_ptr error)>;
  // Called by the deciding rank after each step that gave tokens, when every request has its own.
  using Told = std::function<void()>;

  // Maps the files and starts the ranks, which load; `loaded` is called once, when all have or with the first error.
  // Throws what validate(), tensors_of() and the mapping throw.
  Engine(
      EngineSpec spec, Progress progress, Loaded loaded, Told told = [] {});
  // Cancels what runs, settles what is queued with E_CLOSED, and waits for the ranks.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const EngineSpec& spec() const { return spec_; }

  // `loaded` gets E_ABORTED, unless loading was over.
  void cancel_load() { load_cancelled_ = true; }

  // Throws E_OPTION or E_TOKEN if no job can have this input.
  void check(const JobInput& input) const;
  // The job will be settled. Its input must have passed check(). Throws E_CLOSED.
  void submit(std::shared_ptr<Job> job) { queue_.submit(std::move(job)); }
  // As above. Requests run side by side, as many as there are slots.
  void submit(std::shared_ptr<Request> request) { batch_->submit(std::move(request)); }
  // Of a job or request, by its number.
  void cancel(int64_t job);
  // The ranks end after the running job and free their memory; then `closed` is called. Queued jobs: E_CLOSED.
  void close(std::function<void()> closed);

  // Jobs see the switch at their next step. `capacity`: spans kept per rank until drained.
  void record(bool on, size_t capacity);
  DrainedSpans drain();
  // Spans that wait in the fullest rank's buffer.
  size_t buffered() const;
  // Steps that a device did again as a whole (BackEnd::repeats).
  int64_t repeated_steps() const { return shared_->repeated; }
  CacheStatistics cache_statistics() const { return batch_->cache_statistics(); }
  // By rank: nanoseconds that times of its device may be off the host's clock; -1: the host stamps. Once loaded.
  std::vector<int64_t> clock_errors() const;
  // Nanoseconds of the host's time that recording a span costs: measured now, and on devices with a clock of their own
  // what that has cost so far.
  double span_cost() const;
  std::string link() const { return shared_->link(); }
  // By rank, as of its last job. Only once loaded.
  std::vector<Rank::Memory> memory() const;

 private:
  void start_threads();
  void run(int index);
  std::unique_ptr<Rank> load(int index);
  void count_bytes(int64_t bytes);
  // Waits until every rank has loaded or failed; whether none failed.
  bool all_loaded();
  void work(Rank& rank);
  void check_files() const;
  void release_pages() const;

  const EngineSpec spec_;
  std::mutex clock_mutex_;
  Clock clock_;
  std::vector<MappedFile> files_;
  std::vector<TensorTable> tensors_;  // by rank
  std::vector<std::unique_ptr<Recorder>> recorders_;
  std::unique_ptr<Shared> shared_;
  JobQueue queue_;
  std::shared_ptr<Batch> batch_;

  Progress progress_;
  Loaded loaded_;
  int64_t total_bytes_ = 0;
  std::atomic<int64_t> done_bytes_{0};
  std::atomic<bool> load_cancelled_{false};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable load_over_;
  std::exception_ptr load_error_;
  std::vector<Rank::Memory> memory_;
  int loading_;      // ranks
  int running_;      // ranks
  int settled_ = 0;  // of them, whose devices do nothing any more
  std::condition_variable all_settled_;
  std::vector<std::function<void()>> closed_;

  std::vector<std::thread> threads_;  // last: they use everything above
};

}  // namespace stateline
