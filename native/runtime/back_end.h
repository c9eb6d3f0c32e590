// Where the ranks of an engine live: their devices, and the groups in which they meet.
#pragma once

#include <functional>
#include <memory>

#include "comm/communicator.h"
#include "comm/in_process.h"
#include "device/device.h"
#include "runtime/engine_spec.h"
#include "trace/recorder.h"

namespace stateline {

// Steps that put the same on a device again.
class Repeats {
 public:
  virtual ~Repeats() = default;
  // On the rank's thread, all ranks alike: runs `ops`, or does again what they did when they last ran for `key`.
  virtual void run(int64_t key, const std::function<void()>& ops) = 0;
  // On the rank's thread: what was kept is kept no longer. renew(): if it is from before the back end's last reset.
  virtual void forget() = 0;
  virtual void renew() = 0;
};

class BackEnd {
 public:
  virtual ~BackEnd() = default;
  // On the rank's thread.
  virtual std::unique_ptr<Device> device(int rank) = 0;
  virtual std::unique_ptr<Group> group(const InProcessOptions& options) = 0;
  // What times the spans of a device that the back end made; null: the host. The device must outlive it.
  virtual std::unique_ptr<DeviceClock> clock(Device&) { return nullptr; }
  // Null: ops are called. `communicator`: of all ranks. Both must outlive it.
  virtual std::unique_ptr<Repeats> repeats(Device&, Communicator&) { return nullptr; }
  // After an abort, once no rank is inside a job.
  virtual void reset() {}
};

// By spec.device. Throws E_CUDA_NOT_BUILT and what the GPUs lack. The spec must outlive it.
std::unique_ptr<BackEnd> make_back_end(const EngineSpec& spec);

// Of builds with CUDA; throws E_CUDA_NOT_BUILT in others (runtime/cuda/).
std::unique_ptr<BackEnd> make_cuda_back_end(const EngineSpec& spec);

}  // namespace stateline
