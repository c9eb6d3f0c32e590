// The promise of measureAllReduce: measures on a thread of its own.
#pragma once

#include <napi.h>

#include <thread>
#include <vector>

#include "addon/promise_task.h"
#include "runtime/all_reduce_timer.h"

namespace stateline::addon {

class TimingTask final : public PromiseTask {
 public:
  TimingTask(Napi::Env env, Mailbox& mailbox, int64_t job, AllReduceTimerSpec spec);
  ~TimingTask() override;

  void start();

 private:
  Napi::Value result(Napi::Env env) override;  // Float64Array as AllReduceTimer::run() has them

  Napi::Env env_;
  int64_t job_;
  AllReduceTimer timer_;
  std::vector<double> times_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace stateline::addon
