#include "addon/timing_task.h"

#include <algorithm>

#include "addon/environment.h"

namespace stateline::addon {

TimingTask::TimingTask(Napi::Env env, Mailbox& mailbox, int64_t job, AllReduceTimerSpec spec)
    : PromiseTask(env, mailbox), env_(env), job_(job), timer_(std::move(spec)) {}

TimingTask::~TimingTask() {
  timer_.cancel();
  if (thread_.joinable()) thread_.join();
  Environment::of(env_).cancels().erase(job_);
}

void TimingTask::start() {
  Environment::of(env_).cancels()[job_] = [this] { timer_.cancel(); };
  thread_ = std::thread([this] {
    std::exception_ptr error;
    try {
      times_ = timer_.run();
    } catch (...) {
      error = std::current_exception();
    }
    done(error);
  });
}

Napi::Value TimingTask::result(Napi::Env env) {
  auto times = Napi::Float64Array::New(env, times_.size());
  std::ranges::copy(times_, times.Data());
  return times;
}

}  // namespace stateline::addon
