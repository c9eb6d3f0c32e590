#include "addon/floors_task.h"

#include "addon/environment.h"

namespace stateline::addon {

FloorsTask::FloorsTask(Napi::Env env, Mailbox& mailbox, int64_t job)
    : PromiseTask(env, mailbox), env_(env), job_(job) {}

FloorsTask::~FloorsTask() {
  cancelled_ = true;
  if (thread_.joinable()) thread_.join();
  Environment::of(env_).cancels().erase(job_);
}

void FloorsTask::start(int threads) {
  Environment::of(env_).cancels()[job_] = [this] { cancelled_ = true; };
  thread_ = std::thread([this, threads] {
    std::exception_ptr error;
    try {
      floors_ = cpu::measure_floors(threads, cancelled_);
    } catch (...) {
      error = std::current_exception();
    }
    done(error);
  });
}

Napi::Value FloorsTask::result(Napi::Env env) {
  auto flops = Napi::Object::New(env);
  flops.Set("f32", floors_.flops_per_second[0]);
  flops.Set("bf16", floors_.flops_per_second[1]);
  flops.Set("int8", floors_.flops_per_second[2]);
  auto result = Napi::Object::New(env);
  result.Set("readBytesPerSecond", floors_.read_bytes_per_second);
  result.Set("flopsPerSecond", flops);
  result.Set("statesPerSecond", floors_.states_per_second);
  return result;
}

}  // namespace stateline::addon
