// The shim's runtime: devices, memory, streams, events and graphs in this process's memory.
#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_runtime.h"
#include "test/reference/number_formats.h"

using Nodes = std::set<size_t>;
using Operation = std::function<cudaError_t()>;

struct SimtGraph {
  struct Node {
    Operation operation;
    Nodes after;
    int priority;  // of its stream
  };
  std::vector<Node> nodes;           // each behind those that it comes after
  std::vector<SimtStream*> streams;  // that capture into it, the first began
  std::thread::id owner;
  bool active = true, valid = true;
};
using Capture = std::shared_ptr<SimtGraph>;

struct SimtGraphExec {
  std::shared_ptr<const SimtGraph> graph;
  bool by_priority;
};

struct SimtStream {
  SimtStream(int device, int priority) : device(device), priority(priority) {}
  const int device;
  const int priority;  // in graphs; streams by themselves do not wait for each other
  Capture capture;
  Nodes last;  // what the next operation captured comes after
  std::deque<Operation> queue;
  uint64_t put = 0, done = 0;
  bool closing = false;
  std::thread worker;
};

struct SimtEvent {
  // Outlives the event where a stream has yet to come to it.
  struct State {
    uint64_t recorded = 0, reached = 0;
    std::chrono::steady_clock::time_point time{};
  };
  SimtEvent(int device, unsigned flags) : device(device), flags(flags) {}
  const int device;
  const unsigned flags;
  std::shared_ptr<State> state = std::make_shared<State>();
  Capture capture;  // that it was last recorded in
  Nodes last;
};

unsigned short simt_float_to_half(float value) { return stateline::reference::encode_f16(value); }
float simt_half_to_float(unsigned short bits) { return static_cast<float>(stateline::reference::decode_f16(bits)); }
unsigned short simt_float_to_bfloat16(float value) { return stateline::reference::encode_bf16(value); }
void __nanosleep(unsigned) { sched_yield(); }

namespace {

// A cuBLAS that the system has knows nothing of this memory: only tests name one.
[[maybe_unused]] const int kWithoutCublas = setenv("STATELINE_CUBLAS", "off", 0);

constexpr int kVersion = 13000;
constexpr size_t kAlignment = 256;
constexpr size_t kPoisoned = 64 << 20;  // bytes of an allocation that start as NaN

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

size_t number_from(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

int devices() { return static_cast<int>(number_from("STATELINE_SIMT_DEVICES", 2)); }
size_t memory_of_device() { return number_from("STATELINE_SIMT_MEMORY", size_t{8} << 30); }

struct Memory {
  struct Block {
    size_t bytes;
    int device;
  };
  std::mutex mutex;
  std::map<void*, Block> blocks;
  std::map<int, size_t> used;
};
Memory& memory() {
  static Memory all;
  return all;
}

// What streams and events share.
struct World {
  std::mutex mutex;
  std::condition_variable changed;
  std::set<SimtStream*> streams;
  std::map<int, cudaError_t> broken;              // devices whose kernels failed: all calls say so from then on
  std::set<std::pair<const void*, int>> kernels;  // that devices have loaded
  std::map<char*, size_t> pinned;
  // Calls that allocate, free or load a kernel wait for GPUs, and other calls for them, as drivers may let them do
  // (github.com/NVIDIA/nccl/issues/613, github.com/meta-pytorch/torchcomms/pull/2334).
  std::shared_mutex driver;
};
World& world() {
  static World* all = new World;  // workers may outlive main
  return *all;
}

thread_local int captures = 0;  // that this thread has begun and not ended

bool idle(const SimtStream& stream) { return stream.done == stream.put; }

cudaError_t broken(int device) {
  const std::lock_guard lock(world().mutex);
  const auto found = world().broken.find(device);
  return found == world().broken.end() ? cudaSuccess : found->second;
}

[[noreturn]] void never_returns(const char* call) {
  std::fprintf(stderr, "%s would never return: the GPU hangs\n", call);
  std::abort();
}
bool hangs() { return std::getenv("STATELINE_SIMT_HANGS"); }

// Refuses, in a thread that captures, what CUDA calls unsafe there: the capture is void.
bool unsafe(SimtStream* stream = nullptr) {
  const std::lock_guard lock(world().mutex);
  if (stream && stream->capture) {
    stream->capture->valid = false;
    return true;
  }
  if (captures == 0) return false;
  for (SimtStream* each : world().streams) {
    if (each->capture && each->capture->owner == std::this_thread::get_id()) each->capture->valid = false;
  }
  return true;
}

// Until the device does nothing; -1: until none does.
void wait_for_device(int device) {
  if (hangs()) never_returns("a call that waits for the GPU");
  std::unique_lock lock(world().mutex);
  world().changed.wait(lock, [&] {
    return std::ranges::all_of(
        world().streams, [&](SimtStream* each) { return (device >= 0 && each->device != device) || idle(*each); });
  });
}

void work(SimtStream* stream) {
  cudaSetDevice(stream->device);
  std::minstd_rand generator(static_cast<unsigned>(reinterpret_cast<uintptr_t>(stream) >> 6));
  std::unique_lock lock(world().mutex);
  for (;;) {
    world().changed.wait(lock, [&] { return stream->closing || !stream->queue.empty(); });
    if (stream->queue.empty()) return;
    const Operation operation = std::move(stream->queue.front());
    stream->queue.pop_front();
    lock.unlock();
    if (const size_t late = number_from("STATELINE_SIMT_LATE", 0)) {
      std::this_thread::sleep_for(std::chrono::microseconds(generator() % late));
    }
    const cudaError_t error = operation();
    lock.lock();
    if (error != cudaSuccess) world().broken.emplace(stream->device, error);
    ++stream->done;
    world().changed.notify_all();
  }
}

// Behind what the stream has.
void enqueue(SimtStream* stream, Operation operation) {
  const std::shared_lock driver(world().driver);
  const std::lock_guard lock(world().mutex);
  if (!stream->worker.joinable()) stream->worker = std::thread(work, stream);
  stream->queue.push_back(std::move(operation));
  ++stream->put;
  world().changed.notify_all();
}

void wait_for(SimtStream* stream) {
  std::unique_lock lock(world().mutex);
  world().changed.wait(lock, [&] { return idle(*stream); });
}

bool is_pinned(const void* memory) {
  const std::lock_guard lock(world().mutex);
  const auto after = world().pinned.upper_bound(static_cast<char*>(const_cast<void*>(memory)));
  if (after == world().pinned.begin()) return false;
  const auto [begin, bytes] = *std::prev(after);
  return static_cast<const char*>(memory) < begin + bytes;
}

bool is_device(const void* address) {
  const std::lock_guard lock(memory().mutex);
  const auto after = memory().blocks.upper_bound(const_cast<void*>(address));
  if (after == memory().blocks.begin()) return false;
  const auto& [begin, block] = *std::prev(after);
  return static_cast<const char*>(address) < static_cast<char*>(begin) + block.bytes;
}

bool fits(const void* to, const void* from, cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !is_device(to) && !is_device(from);
    case cudaMemcpyHostToDevice:
      return is_device(to) && !is_device(from);
    case cudaMemcpyDeviceToHost:
      return !is_device(to) && is_device(from);
    case cudaMemcpyDeviceToDevice:
      return is_device(to) && is_device(from);
    default:
      return true;
  }
}

void copy_rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height) {
  for (size_t row = 0; row < height; ++row) {
    std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
  }
}

}  // namespace

cudaError_t simt::submit(cudaStream_t stream, Operation operation) {
  if (!stream) return note(operation());
  if (const cudaError_t error = broken(stream->device)) return note(error);
  {
    const std::lock_guard lock(world().mutex);
    if (stream->capture) {
      auto& nodes = stream->capture->nodes;
      nodes.push_back({std::move(operation), std::exchange(stream->last, {nodes.size()}), stream->priority});
      return cudaSuccess;
    }
  }
  enqueue(stream, [operation = std::move(operation), device = stream->device] {
    return broken(device) ? cudaSuccess : operation();
  });
  return cudaSuccess;
}

namespace {

// STATELINE_SIMT_KERNELS: a file for the kernels that this process launches, by program and place in it, for nm to
// name.
void list(const void* kernel) {
  static const char* file = std::getenv("STATELINE_SIMT_KERNELS");
  if (!file) return;
  static std::mutex mutex;
  static std::set<const void*> listed;
  static std::FILE* out = std::fopen(file, "w");
  const std::lock_guard lock(mutex);
  Dl_info program;
  if (!out || !listed.insert(kernel).second || dladdr(kernel, &program) == 0) return;
  std::fprintf(out, "%s %zx\n", program.dli_fname,
               static_cast<size_t>(static_cast<const char*>(kernel) - static_cast<const char*>(program.dli_fbase)));
  std::fflush(out);
}

}  // namespace

// The first launch of a kernel on a device loads it, for which the device must do nothing else.
cudaError_t simt::prepare(cudaStream_t stream, const void* kernel) {
  list(kernel);
  if (!stream) return cudaSuccess;
  if (stream->device != current_device) return note(cudaErrorInvalidResourceHandle);
  {
    const std::lock_guard lock(world().mutex);
    if (world().kernels.contains({kernel, stream->device})) return cudaSuccess;
  }
  const std::unique_lock driver(world().driver);
  wait_for_device(stream->device);
  const std::lock_guard lock(world().mutex);
  world().kernels.insert({kernel, stream->device});
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorECCUncorrectable:
      return "cudaErrorECCUncorrectable";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchTimeout:
      return "cudaErrorLaunchTimeout";
    default:
      return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorLaunchFailure:
      return simt::failure().c_str();
    case cudaErrorECCUncorrectable:
      return "uncorrectable ECC error encountered";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchTimeout:
      return "the launch timed out and was terminated";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    default:
      return cudaGetErrorName(error);
  }
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = static_cast<int>(number_from("STATELINE_SIMT_DRIVER", kVersion));
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver < kVersion) return note(cudaErrorInsufficientDriver);
  *count = devices();
  return *count > 0 ? cudaSuccess : note(cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= devices()) return note(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
// STATELINE_SIMT_SILENT: a GPU that is counted and does not answer.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= devices()) return note(cudaErrorInvalidDevice);
  if (number_from("STATELINE_SIMT_SILENT", -1) == static_cast<size_t>(device)) return note(cudaErrorECCUncorrectable);
  *properties = {};
  std::strcpy(properties->name, "SIMT runner");
  properties->totalGlobalMem = memory_of_device();
  properties->sharedMemPerBlockOptin = 48 << 10;
  properties->major = static_cast<int>(number_from("STATELINE_SIMT_CAPABILITY", 8));
  properties->multiProcessorCount = 4;
  properties->l2CacheSize = 1 << 20;
  properties->maxThreadsPerBlock = 1024;
  properties->memoryBusWidth = 64;
  properties->pciBusID = device + 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = properties.memoryBusWidth;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    default:
      *value = 0;
      return cudaSuccess;
  }
}
cudaError_t cudaDeviceSynchronize() {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  wait_for_device(current_device);
  return note(broken(current_device));
}
// Here, unlike on a GPU, a device serves again after it.
cudaError_t cudaDeviceReset() {
  const std::lock_guard lock(world().mutex);
  world().broken.erase(current_device);
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  const int island = static_cast<int>(number_from("STATELINE_SIMT_ISLAND", 1 << 20));
  *can = device != peer && device / island == peer / island;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr, int device, int peer) {
  if (device == peer) return note(cudaErrorInvalidDevice);
  return cudaDeviceCanAccessPeer(value, device, peer);
}
cudaError_t cudaDeviceEnablePeerAccess(int, unsigned int) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(memory().mutex);
  *total = memory_of_device();
  *free = *total - std::min(*total, memory().used[current_device]);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** out, size_t bytes) {
  *out = nullptr;
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  if (const cudaError_t error = broken(current_device)) return note(error);
  const std::unique_lock driver(world().driver);
  wait_for_device(-1);
  const std::lock_guard lock(memory().mutex);
  size_t& used = memory().used[current_device];
  if (bytes > memory_of_device() || used + bytes > memory_of_device()) return note(cudaErrorMemoryAllocation);
  if (posix_memalign(out, kAlignment, std::max<size_t>(bytes, 1))) return note(cudaErrorMemoryAllocation);
  std::memset(*out, 0xff, std::min(bytes, kPoisoned));
  memory().blocks[*out] = {bytes, current_device};
  used += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* block) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  if (block) {
    const std::unique_lock driver(world().driver);
    wait_for_device(-1);
  }
  if (const cudaError_t error = broken(current_device)) return note(error);
  if (!block) return cudaSuccess;
  const std::lock_guard lock(memory().mutex);
  const auto found = memory().blocks.find(block);
  if (found == memory().blocks.end()) return note(cudaErrorInvalidValue);
  memory().used[found->second.device] -= found->second.bytes;
  memory().blocks.erase(found);
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned int) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  if (posix_memalign(out, kAlignment, std::max<size_t>(bytes, 1))) return note(cudaErrorMemoryAllocation);
  const std::lock_guard lock(world().mutex);
  world().pinned[static_cast<char*>(*out)] = std::max<size_t>(bytes, 1);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, 0); }
cudaError_t cudaFreeHost(void* block) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  const std::unique_lock driver(world().driver);
  wait_for_device(-1);
  const std::lock_guard lock(world().mutex);
  world().pinned.erase(static_cast<char*>(block));
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned int) {
  *device = host;
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned int) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}
// Waits for no stream: those that the engine makes do not wait for the default one either.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
// Memory of the host that is not pinned is read before the call returns, and written to before it returns.
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  if (width == 0 || height == 0) return cudaSuccess;
  if (width > to_pitch || width > from_pitch || !fits(to, from, kind)) return note(cudaErrorInvalidValue);
  const bool captured = stream && stream->capture;
  if (!stream || captured || is_device(from) || is_pinned(from)) {
    const cudaError_t error = simt::submit(stream, [=] {
      copy_rows(to, to_pitch, from, from_pitch, width, height);
      return cudaSuccess;
    });
    if (!stream || captured || error || is_device(to) || is_pinned(to)) return error;
    if (hangs()) never_returns("a copy to memory that is not pinned");
    wait_for(stream);
    return cudaSuccess;
  }
  std::vector<char> staged(width * height);
  copy_rows(staged.data(), width, from, from_pitch, width, height);
  return simt::submit(stream, [=, staged = std::move(staged)] {
    copy_rows(to, to_pitch, staged.data(), width, width, height);
    return cudaSuccess;
  });
}
cudaError_t cudaMemsetAsync(void* block, int value, size_t bytes, cudaStream_t stream) {
  return simt::submit(stream, [=] {
    std::memset(block, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* block, int value, size_t bytes) { return cudaMemsetAsync(block, value, bytes, nullptr); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int, int priority) {
  *stream = new SimtStream(current_device, priority);
  const std::lock_guard lock(world().mutex);
  world().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  *priority = stream->priority;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard lock(world().mutex);
    stream->closing = true;
    world().changed.notify_all();
  }
  if (stream->worker.joinable()) stream->worker.join();
  const std::lock_guard lock(world().mutex);
  world().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (unsafe(stream)) return note(cudaErrorStreamCaptureUnsupported);
  if (!stream) return cudaSuccess;
  if (hangs()) never_returns("cudaStreamSynchronize");
  wait_for(stream);
  return note(broken(stream->device));
}
// STATELINE_SIMT_HANGS: a GPU that never ends what it does.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (unsafe(stream)) return note(cudaErrorStreamCaptureUnsupported);
  if (hangs()) return note(cudaErrorNotReady);
  if (!stream) return cudaSuccess;
  {
    const std::lock_guard lock(world().mutex);
    if (!idle(*stream)) return note(cudaErrorNotReady);
  }
  return note(broken(stream->device));
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  if (!stream) return cudaSuccess;
  std::unique_lock lock(world().mutex);
  if (event->capture) {
    if (!event->capture->active) return note(cudaErrorCapturedEvent);
    if (stream->capture && stream->capture != event->capture) return note(cudaErrorStreamCaptureUnsupported);
    if (!stream->capture) {
      stream->capture = event->capture;
      event->capture->streams.push_back(stream);
    }
    stream->last.insert(event->last.begin(), event->last.end());
    return cudaSuccess;
  }
  const auto state = event->state;
  if (state->recorded == 0) return cudaSuccess;
  if (stream->capture) {
    stream->capture->valid = false;
    return note(cudaErrorStreamCaptureIsolation);
  }
  const uint64_t wanted = state->recorded;
  lock.unlock();
  enqueue(stream, [=] {
    std::unique_lock waiting(world().mutex);
    world().changed.wait(waiting, [&] { return state->reached >= wanted; });
    return cudaSuccess;
  });
  return cudaSuccess;
}
// Seen by the libraries that tests open in NCCL's and cuBLAS's place.
__attribute__((visibility("default"))) cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function,
                                                                      void* data) {
  return simt::submit(stream, [=] {
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  *event = new SimtEvent(current_device, flags);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (stream && stream->device != event->device) return note(cudaErrorInvalidResourceHandle);
  const auto state = event->state;
  uint64_t own = 0;
  {
    const std::lock_guard lock(world().mutex);
    event->capture = stream ? stream->capture : nullptr;
    if (event->capture) {
      event->last = stream->last;
      return cudaSuccess;
    }
    own = ++state->recorded;
  }
  const auto reach = [=] {
    const std::lock_guard lock(world().mutex);
    state->reached = own;
    state->time = std::chrono::steady_clock::now();
    world().changed.notify_all();
    return cudaSuccess;
  };
  if (!stream) return reach();
  enqueue(stream, reach);
  return note(broken(stream->device));
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  std::unique_lock lock(world().mutex);
  if (event->capture) return note(cudaErrorCapturedEvent);
  if (hangs() && event->state->recorded > 0) never_returns("cudaEventSynchronize");
  world().changed.wait(lock, [&] { return event->state->reached == event->state->recorded; });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  const std::lock_guard lock(world().mutex);
  if (event->capture) return note(cudaErrorCapturedEvent);
  if (hangs() && event->state->recorded > 0) return note(cudaErrorNotReady);
  return event->state->reached == event->state->recorded ? cudaSuccess : note(cudaErrorNotReady);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const std::lock_guard lock(world().mutex);
  if (begin->device != end->device || (begin->flags | end->flags) & cudaEventDisableTiming) {
    return note(cudaErrorInvalidResourceHandle);
  }
  for (const cudaEvent_t each : {begin, end}) {
    if (each->state->recorded == 0 || each->capture) return note(cudaErrorInvalidResourceHandle);
    if (each->state->reached != each->state->recorded) return note(cudaErrorNotReady);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->state->time - begin->state->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(world().mutex);
  if (!stream || stream->capture) return note(cudaErrorStreamCaptureUnsupported);
  stream->capture = std::make_shared<SimtGraph>();
  stream->capture->streams.push_back(stream);
  stream->capture->owner = std::this_thread::get_id();
  ++captures;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  const std::lock_guard lock(world().mutex);
  if (!stream || !stream->capture) return note(cudaErrorInvalidValue);
  const Capture captured = stream->capture;
  if (captured->streams.front() != stream) return note(cudaErrorStreamCaptureUnmatched);
  if (captured->owner != std::this_thread::get_id()) return note(cudaErrorStreamCaptureWrongThread);
  --captures;
  Nodes joined = stream->last;  // and all that they come after
  for (size_t i = captured->nodes.size(); i-- > 0;) {
    if (joined.contains(i)) joined.insert(captured->nodes[i].after.begin(), captured->nodes[i].after.end());
  }
  for (SimtStream* each : captured->streams) each->capture = nullptr, each->last.clear();
  captured->streams.clear();
  captured->active = false;
  if (!captured->valid) return note(cudaErrorStreamCaptureInvalidated);
  if (joined.size() < captured->nodes.size()) return note(cudaErrorStreamCaptureUnjoined);
  *graph = new SimtGraph(*captured);
  return cudaSuccess;
}
__attribute__((visibility("default"))) cudaError_t cudaStreamIsCapturing(cudaStream_t stream,
                                                                         cudaStreamCaptureStatus* status) {
  *status = stream && stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags) {
  const bool by_priority = flags & cudaGraphInstantiateFlagUseNodePriority;
  *executable = new SimtGraphExec{std::make_shared<const SimtGraph>(*graph), by_priority};
  return cudaSuccess;
}
// Waits as an allocation does.
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  if (unsafe()) return note(cudaErrorStreamCaptureUnsupported);
  const std::unique_lock driver(world().driver);
  wait_for_device(-1);
  return cudaSuccess;
}
// Of the operations that may run always the first of those with the highest priority, or, with
// STATELINE_SIMT_LAST_FIRST, the last captured of all.
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const bool last_first = std::getenv("STATELINE_SIMT_LAST_FIRST");
  return simt::submit(stream, [graph = executable->graph, by_priority = executable->by_priority, last_first] {
    const auto& nodes = graph->nodes;
    std::vector<std::vector<size_t>> before(nodes.size());
    std::vector<size_t> missing(nodes.size());
    Nodes ready;
    for (size_t i = 0; i < nodes.size(); ++i) {
      missing[i] = nodes[i].after.size();
      if (missing[i] == 0) ready.insert(i);
      for (const size_t other : nodes[i].after) before[other].push_back(i);
    }
    while (!ready.empty()) {
      const auto urgent =
          std::ranges::min_element(ready, {}, [&](size_t node) { return by_priority ? nodes[node].priority : 0; });
      const size_t next = last_first ? *ready.rbegin() : *urgent;
      ready.erase(next);
      if (const cudaError_t error = nodes[next].operation()) return error;
      for (const size_t other : before[next]) {
        if (--missing[other] == 0) ready.insert(other);
      }
    }
    return cudaSuccess;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
