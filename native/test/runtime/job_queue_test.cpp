// The queue alone, without ranks that work.
#include "runtime/job_queue.h"

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "test/check.h"

namespace stateline::test {
namespace {

// Made way in its middle: comes again when it has been settled, before which somebody closes the queue.
class MiddleJob final : public Job, public std::enable_shared_from_this<MiddleJob> {
 public:
  explicit MiddleJob(JobQueue& queue) : Job(JobInput{}, nullptr), queue_(queue) {}

  void run(Rank&) override {}
  bool begun() const override { return true; }
  void settle(std::exception_ptr) override {
    queue_.close();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    queue_.take_turns(shared_from_this());
  }

 private:
  JobQueue& queue_;
};

}  // namespace

TEST("a queue that is closed while a job in its middle makes way has it come again") {
  JobQueue queue(2, [](bool) {});
  const auto job = std::make_shared<MiddleJob>(queue);
  queue.submit(job);
  queue.take(0);
  queue.leave(nullptr);  // one rank is through, and waits for the next job
  auto next = std::async(std::launch::async, [&] { return queue.take(1); });
  queue.leave(nullptr);
  CHECK(next.get() == job.get());
}

}  // namespace stateline::test
