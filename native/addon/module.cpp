// NativeAddon of kernel/api/native.ts: what `require` gives.
#include <napi.h>

#include <cstdio>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/floors_task.h"
#include "addon/load_task.h"
#include "addon/span_columns.h"
#include "addon/spec.h"
#include "addon/state_value.h"
#include "addon/timing_task.h"
#include "comm/cores.h"
#include "device/cpu/dispatch.h"
#include "runtime/cuda/gpus.h"

namespace stateline::addon {
namespace {

Napi::String text(Napi::Env env, std::string_view value) { return Napi::String::New(env, value.data(), value.size()); }

Napi::Value cpu_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto result = Napi::Object::New(env);
    auto isas = Napi::Array::New(env);
    for (const std::string_view isa : cpu::available_isas()) isas.Set(isas.Length(), text(env, isa));
    result.Set("isa", text(env, cpu::isa_name()));
    result.Set("isas", isas);
    result.Set("cores", usable_cores());
    return result;
  });
}

Napi::Value cuda_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const CudaSummary summary = cuda_summary();
    auto architectures = Napi::Array::New(env), gpus = Napi::Array::New(env);
    for (const std::string& each : summary.architectures) architectures.Set(architectures.Length(), text(env, each));
    for (const CudaSummary::Gpu& each : summary.gpus) {
      auto gpu = Napi::Object::New(env);
      gpu.Set("name", text(env, each.name));
      gpu.Set("memoryBytes", static_cast<double>(each.memory));
      gpu.Set("architecture", text(env, each.architecture));
      gpu.Set("problem", text(env, each.problem));
      gpus.Set(gpus.Length(), gpu);
    }
    auto result = Napi::Object::New(env);
    result.Set("compiled", summary.compiled);
    result.Set("architectures", architectures);
    result.Set("gpus", gpus);
    result.Set("problem", text(env, summary.problem));
    result.Set("driver", text(env, summary.driver));
    result.Set("driverProblem", text(env, summary.driver_problem));
    result.Set("nccl", text(env, summary.nccl));
    result.Set("ncclProblem", text(env, summary.nccl_problem));
    result.Set("cublas", text(env, summary.cublas));
    result.Set("cublasFile", text(env, summary.cublas_file));
    result.Set("cublasProblem", text(env, summary.cublas_problem));
    return result;
  });
}

Napi::Value load_engine(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    EngineSpec spec = engine_spec(object_argument(info, 0, "spec"));
    const int64_t job = integer_argument(info, 1, "job");
    Mailbox& mailbox = Environment::of(info.Env()).mailbox();
    LoadTask& task =
        mailbox.adopt(std::make_unique<LoadTask>(info.Env(), mailbox, job, function_argument(info, 2, "onProgress")));
    const Napi::Promise promise = task.promise();
    task.start(std::move(spec));
    return promise;
  });
}

Napi::Value measure_all_reduce(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    AllReduceTimerSpec spec = all_reduce_timer_spec(object_argument(info, 0, "spec"));
    const int64_t job = integer_argument(info, 1, "job");
    Mailbox& mailbox = Environment::of(info.Env()).mailbox();
    TimingTask& task = mailbox.adopt(std::make_unique<TimingTask>(info.Env(), mailbox, job, std::move(spec)));
    const Napi::Promise promise = task.promise();
    task.start();
    return promise;
  });
}

Napi::Value measure_floors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const int64_t threads = integer_argument(info, 0, "threads");
    const int64_t job = integer_argument(info, 1, "job");
    Mailbox& mailbox = Environment::of(info.Env()).mailbox();
    FloorsTask& task = mailbox.adopt(std::make_unique<FloorsTask>(info.Env(), mailbox, job));
    const Napi::Promise promise = task.promise();
    task.start(static_cast<int>(threads));
    return promise;
  });
}

void cancel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    auto& cancels = Environment::of(info.Env()).cancels();
    const auto found = cancels.find(integer_argument(info, 0, "job"));
    if (found != cancels.end()) found->second();
  });
}

// On a pipe the C library keeps output until a buffer is full: a notebook would see it cells later, or never.
void unbuffer_stdout(const Napi::CallbackInfo&) { std::setvbuf(stdout, nullptr, _IONBF, 0); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));  // freed by the environment
  exports.Set("spanNames", span_names(env));
  exports.Set("cpuInfo", Napi::Function::New(env, cpu_info, "cpuInfo"));
  exports.Set("cudaInfo", Napi::Function::New(env, cuda_info, "cudaInfo"));
  exports.Set("loadEngine", Napi::Function::New(env, load_engine, "loadEngine"));
  exports.Set("measureAllReduce", Napi::Function::New(env, measure_all_reduce, "measureAllReduce"));
  exports.Set("measureFloors", Napi::Function::New(env, measure_floors, "measureFloors"));
  exports.Set("cancel", Napi::Function::New(env, cancel, "cancel"));
  exports.Set("stateArrays", Napi::Function::New(env, state_arrays, "stateArrays"));
  exports.Set("stateOf", Napi::Function::New(env, state_of, "stateOf"));
  exports.Set("unbufferStdout", Napi::Function::New(env, unbuffer_stdout, "unbufferStdout"));
  return exports;
}

NODE_API_MODULE(stateline, initialise)

}  // namespace
}  // namespace stateline::addon
