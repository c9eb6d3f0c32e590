// Jobs in the order they came, but for one that takes turns with the others. All ranks work on one job at a time: the
// first to ask starts it, the last to leave settles it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/job.h"

namespace stateline {

class JobQueue {
 public:
  // Called when all ranks have left a job and none has begun another.
  using Ended = std::function<void(bool failed)>;

  JobQueue(int ranks, Ended ended) : ranks_(ranks), ended_(std::move(ended)) {}

  // --- any thread ---
  // Throws E_CLOSED after close().
  void submit(std::shared_ptr<Job> job);
  // For a job that comes again: behind the one that runs or else comes next, however many wait. Throws E_CLOSED after
  // close(), unless the job has begun.
  void take_turns(std::shared_ptr<Job> job);
  // A running job ends after the step it is in, a queued one at once; a number that is neither has ended already.
  void cancel(int64_t job);
  void cancel_running();
  // Whether a job waits behind the running one.
  bool others_wait();
  // Settles queued jobs with E_CLOSED; the running one goes on, and so does one that has begun. Idempotent.
  void close();

  // --- the ranks' threads ---
  // Waits for job number `ordinal`, counted from 0; null when the queue is closed and empty.
  Job* take(int64_t ordinal);
  // The calling rank is through with the job it took, by `error` if it failed.
  void leave(std::exception_ptr error);

 private:
  const int ranks_;
  const Ended ended_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::shared_ptr<Job> current_;
  int64_t ordinal_ = 0;  // of the current job, or else of the next
  int left_ = 0;         // ranks that are through with the current job
  int settling_ = 0;     // jobs that all ranks have left, which may come again
  std::exception_ptr error_;
  bool closed_ = false;
};

// Keeps the first error, except that a rank's own error tells more than that another one waited for it.
void keep_first(std::exception_ptr& kept, const std::exception_ptr& error);

}  // namespace stateline
