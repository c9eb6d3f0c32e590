#include "runtime/job_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "runtime/error.h"

namespace stateline {
namespace {

bool is_aborted_collective(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const CollectiveAborted&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void JobQueue::submit(std::shared_ptr<Job> job) {
  std::lock_guard lock(mutex_);
  if (closed_) throw ClosedError();
  queue_.push_back(std::move(job));
  changed_.notify_all();
}

void JobQueue::take_turns(std::shared_ptr<Job> job) {
  std::lock_guard lock(mutex_);
  if (closed_ && !job->begun()) throw ClosedError();
  queue_.insert(queue_.begin() + (current_ || queue_.empty() ? 0 : 1), std::move(job));
  changed_.notify_all();
}

void JobQueue::cancel(int64_t job) {
  std::shared_ptr<Job> queued;
  {
    std::lock_guard lock(mutex_);
    if (current_ && current_->input().tag.job == job) current_->cancel();
    const auto found = std::ranges::find_if(queue_, [&](const auto& other) { return other->input().tag.job == job; });
    if (found == queue_.end()) return;
    queued = std::move(*found);
    queue_.erase(found);
  }
  queued->settle(queued->when_cancelled());
}

void JobQueue::cancel_running() {
  std::lock_guard lock(mutex_);
  if (current_) current_->cancel();
}

bool JobQueue::others_wait() {
  std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void JobQueue::close() {
  std::vector<std::shared_ptr<Job>> queued;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    std::erase_if(queue_, [&](const auto& job) {
      if (job->begun()) return false;
      queued.push_back(job);
      return true;
    });
    changed_.notify_all();
  }
  for (const auto& job : queued) job->settle(std::make_exception_ptr(ClosedError()));
}

Job* JobQueue::take(int64_t ordinal) {
  std::unique_lock lock(mutex_);
  const auto over = [&] { return closed_ && settling_ == 0; };
  changed_.wait(lock, [&] { return ordinal_ == ordinal && (current_ || !queue_.empty() || over()); });
  if (!current_ && !queue_.empty()) {
    current_ = std::move(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
  }
  return current_.get();
}

void JobQueue::leave(std::exception_ptr error) {
  std::unique_lock lock(mutex_);
  keep_first(error_, error);
  if (++left_ < ranks_) return;

  const std::shared_ptr<Job> job = std::move(current_);
  std::exception_ptr result = std::exchange(error_, nullptr);
  ended_(result != nullptr);
  left_ = 0;
  ++ordinal_;
  ++settling_;
  changed_.notify_all();
  lock.unlock();
  if (!result && job->stopped()) result = job->when_cancelled();
  job->settle(std::move(result));
  const std::lock_guard again(mutex_);
  --settling_;
  changed_.notify_all();
}

void keep_first(std::exception_ptr& kept, const std::exception_ptr& error) {
  if (error && (!kept || (is_aborted_collective(kept) && !is_aborted_collective(error)))) kept = error;
}

}  // namespace stateline
