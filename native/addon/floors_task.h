// The promise of measureFloors: measures on threads of its own.
#pragma once

#include <napi.h>

#include <atomic>
#include <thread>

#include "addon/promise_task.h"
#include "device/cpu/floors.h"

namespace stateline::addon {

class FloorsTask final : public PromiseTask {
 public:
  FloorsTask(Napi::Env env, Mailbox& mailbox, int64_t job);
  ~FloorsTask() override;

  void start(int threads);

 private:
  Napi::Value result(Napi::Env env) override;  // Floors of kernel/api/native.ts

  Napi::Env env_;
  int64_t job_;
  std::atomic<bool> cancelled_ = false;
  cpu::Floors floors_;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace stateline::addon
