// The shim's runtime: devices, memory, streams, events and graphs in this process's memory.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cuda_runtime.h"
#include "test/reference/number_formats.h"

using Nodes = std::set<size_t>;

struct SimtGraph {
  struct Node {
    std::function<cudaError_t()> operation;
    Nodes after;
  };
  std::vector<Node> nodes;           // each behind those that it comes after
  std::vector<SimtStream*> streams;  // that capture into it, the first began
};
struct SimtStream {
  SimtGraph* capture = nullptr;
  Nodes last;  // what the next operation captured comes after
};
struct SimtEvent {
  std::chrono::steady_clock::time_point time{};
  bool recorded = false;
  SimtGraph* capture = nullptr;
  Nodes last;
};

unsigned short simt_float_to_half(float value) { return stateline::reference::encode_f16(value); }
float simt_half_to_float(unsigned short bits) { return static_cast<float>(stateline::reference::decode_f16(bits)); }
unsigned short simt_float_to_bfloat16(float value) { return stateline::reference::encode_bf16(value); }
void __nanosleep(unsigned) { sched_yield(); }

namespace {

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

template <class T, class... Arguments>
cudaError_t make(T** out, Arguments... arguments) {
  *out = new T{arguments...};
  return cudaSuccess;
}

}  // namespace

cudaError_t simt::submit(cudaStream_t stream, std::function<cudaError_t()> operation) {
  if (stream && stream->capture) {
    auto& nodes = stream->capture->nodes;
    nodes.push_back({std::move(operation), std::exchange(stream->last, {nodes.size()})});
    return cudaSuccess;
  }
  return note(operation());
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
    default:
      return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorLaunchFailure:
      return simt::failure().c_str();
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
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= devices()) return note(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "SIMT runner");
  properties->totalGlobalMem = memory_of_device();
  properties->sharedMemPerBlockOptin = 48 << 10;
  properties->major = 8;
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
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = device != peer;
  return cudaSuccess;
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
  return posix_memalign(out, kAlignment, std::max<size_t>(bytes, 1)) ? note(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, 0); }
cudaError_t cudaFreeHost(void* block) {
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned int) {
  *device = host;
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void*, size_t, unsigned int) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return simt::submit(stream, [=] {
    std::memmove(to, from, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind, cudaStream_t stream) {
  if (width > to_pitch || width > from_pitch) return note(cudaErrorInvalidValue);
  return simt::submit(stream, [=] {
    for (size_t row = 0; row < height; ++row) {
      std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    }
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

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return make(stream); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) { return make(stream); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int, int) { return make(stream); }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return stream && stream->capture ? note(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}
// STATELINE_SIMT_HANGS: a GPU that never ends what it does.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return std::getenv("STATELINE_SIMT_HANGS") ? note(cudaErrorNotReady) : cudaStreamSynchronize(stream);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  if (!stream || !event->capture) return cudaSuccess;
  if (stream->capture && stream->capture != event->capture) return note(cudaErrorStreamCaptureUnsupported);
  if (!stream->capture) {
    stream->capture = event->capture;
    event->capture->streams.push_back(stream);
  }
  stream->last.insert(event->last.begin(), event->last.end());
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return simt::submit(stream, [=] {
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) { return make(event); }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return make(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int flags) {
  event->capture = stream ? stream->capture : nullptr;
  event->last = stream ? stream->last : Nodes{};
  if (event->capture && flags != cudaEventRecordExternal) return cudaSuccess;
  return simt::submit(stream, [=] {
    event->time = std::chrono::steady_clock::now();
    event->recorded = true;
    return cudaSuccess;
  });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (!begin->recorded || !end->recorded) return note(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!stream || stream->capture) return note(cudaErrorStreamCaptureUnsupported);
  stream->capture = new SimtGraph{};
  stream->capture->streams.push_back(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!stream || !stream->capture) return note(cudaErrorInvalidValue);
  SimtGraph* captured = stream->capture;
  if (captured->streams.front() != stream) return note(cudaErrorStreamCaptureUnmatched);
  Nodes joined = stream->last;  // and all that they come after
  for (size_t i = captured->nodes.size(); i-- > 0;) {
    if (joined.contains(i)) joined.insert(captured->nodes[i].after.begin(), captured->nodes[i].after.end());
  }
  for (SimtStream* each : captured->streams) each->capture = nullptr, each->last.clear();
  if (joined.size() < captured->nodes.size()) {
    delete captured;
    return note(cudaErrorStreamCaptureUnjoined);
  }
  captured->streams.clear();
  *graph = captured;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream && stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new SimtGraph(*graph);
  return cudaSuccess;
}
// As captured, or, with STATELINE_SIMT_LAST_FIRST, always the last captured of the operations that may run.
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const auto& nodes = executable->nodes;
  std::vector<std::vector<size_t>> before(nodes.size());
  std::vector<size_t> missing(nodes.size());
  Nodes ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    missing[i] = nodes[i].after.size();
    if (missing[i] == 0) ready.insert(i);
    for (const size_t other : nodes[i].after) before[other].push_back(i);
  }
  const bool last_first = std::getenv("STATELINE_SIMT_LAST_FIRST");
  while (!ready.empty()) {
    const size_t next = last_first ? *ready.rbegin() : *ready.begin();
    ready.erase(next);
    if (const cudaError_t error = simt::submit(stream, nodes[next].operation)) return error;
    for (const size_t other : before[next]) {
      if (--missing[other] == 0) ready.insert(other);
    }
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
