// AllReduce over peer memory, one kernel a rank: each block encodes its groups into its rank's staging, meets the same
// block of the other ranks, and sums what they staged, in order of rank.
//
// Block b works on the same groups on every rank, so ranks meet block by block and no block waits for its neighbours.
// Staging has two halves that calls take in turn: a rank that is one call ahead has met everyone in the call before,
// so nobody still reads the half it writes. All kPeerBlocks meet in every call, whatever its size. The call's number is
// kept in device memory, so a captured graph counts on.
#include "device/cuda/codec.cuh"

namespace stateline::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int64_t kAlignment = 256;
constexpr uint32_t kLooks = 256;

int64_t padded(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// One message: values, then scales.
struct Staged {
  int64_t value_bytes, bytes;
};
Staged staged(int64_t rows, int64_t columns, Wire wire, int32_t group) {
  const int64_t size = wire == Wire::f32 ? 4 : wire == Wire::int8 ? 1 : 2;
  const int64_t values = padded(rows * columns * size);
  const int64_t scales = wire == Wire::int8 ? padded(rows * blocks_of(columns, group) * 4) : 0;
  return {values, values + scales};
}

__device__ __forceinline__ void signal(uint32_t* counter, uint32_t value) {
#ifdef __CUDACC__
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(counter), "r"(value) : "memory");
#else
  __atomic_store_n(counter, value, __ATOMIC_RELEASE);
#endif
}
__device__ __forceinline__ uint32_t observe(const uint32_t* counter) {
#ifdef __CUDACC__
  uint32_t value;
  asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(counter) : "memory");
  return value;
#else
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
#endif
}

// Returns when this block of every rank has called with `arrival`; what each wrote before is then visible. Thread r
// tells rank r, then waits for it.
__device__ void meet(const PeerGroup& group, uint32_t arrival) {
  __threadfence_system();
  __syncthreads();
  const int r = static_cast<int>(threadIdx.x);
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kMaxRanks;
  if (r < group.ranks) signal(group.counters[r] + row + group.rank, arrival);
  __syncwarp();  // all are told before the first is waited for
  if (r < group.ranks) {
    const uint32_t* theirs = group.counters[group.rank] + row + r;
    for (uint32_t look = 1; static_cast<int32_t>(observe(theirs) - arrival) < 0; ++look) {
      // Memory of the host: asked rarely, since its answer takes longer than most waits.
      if (look % kLooks == 0 && group.stop && *group.stop) break;
      __nanosleep(20);
    }
  }
  __syncthreads();
}

struct Reduction {
  PeerGroup group;
  Payload payload;
  int64_t groups;       // of the message
  int64_t value_bytes;  // before the scales
  int64_t half_bytes;   // of staging: the same for every message
};

__device__ WireMemory memory_of(const Reduction& reduction, int rank, uint32_t call, int64_t offset) {
  std::byte* base = reduction.group.staging[rank] + (call & 1) * reduction.half_bytes + offset;
  return {base, reinterpret_cast<float*>(base + reduction.value_bytes)};
}

// Groups of [begin, end) that this block takes.
template <class Each>
__device__ __forceinline__ void each_group(const Layout& layout, int64_t begin, int64_t end, Each each) {
  for (int64_t i = begin + static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarpSize; i < end;
       i += static_cast<int64_t>(gridDim.x) * kWarps) {
    each(i, layout.at(i), static_cast<int>(threadIdx.x % kWarpSize));
  }
}

__device__ uint32_t* calls_of(const PeerGroup& group) {
  return group.counters[group.rank] + kPeerBlocks * kMaxRanks + blockIdx.x;
}

// Every rank's message of this call, in shared memory: indexed by rank, registers could not hold them. `meet` ends with
// the barrier that readers need.
__device__ void list_parts(const Reduction& reduction, uint32_t call) {
  WireParts* parts = shared_memory<WireParts>();
  const int r = static_cast<int>(threadIdx.x);
  if (r < reduction.group.ranks) parts->part[r] = memory_of(reduction, r, call, 0);
  if (r == 0) parts->count = reduction.group.ranks;
}

template <class Code>
__device__ void stage(const Reduction& reduction, const Layout& layout, int64_t begin, int64_t end,
                      const WireMemory& own) {
  const View<float>& values = reduction.payload.values;
  each_group(layout, begin, end, [&](int64_t index, const Group& group, int lane) {
    const float* in = values.data + group.row * values.stride + group.column;
    Code::encode(own, group, index, lane, [&](int i) { return in[i]; });
  });
}

// Blocks wait for each other, so all kPeerBlocks must fit: 4 to a multiprocessor serve GPUs of 8 and more.
template <class Code>
__global__ void __launch_bounds__(kThreads, 4) reduce_one_shot(Reduction reduction) {
  const PeerGroup& group = reduction.group;
  const uint32_t call = *calls_of(group);
  const Layout layout(reduction.payload);
  list_parts(reduction, call);
  stage<Code>(reduction, layout, 0, reduction.groups, memory_of(reduction, group.rank, call, 0));
  meet(group, 2 * call + 2);
  const WireParts& parts = *shared_memory<WireParts>();
  const View<float>& values = reduction.payload.values;
  each_group(layout, 0, reduction.groups, [&](int64_t index, const Group& at, int lane) {
    float* out = values.data + at.row * values.stride + at.column;
    for (int i = lane; i < at.count; i += kWarpSize) out[i] = sum_of<Code>(parts, at, index, i);
  });
  if (threadIdx.x == 0) *calls_of(group) = call + 1;
}

template <class Code>
__global__ void __launch_bounds__(kThreads, 4) reduce_two_shot(Reduction reduction) {
  const PeerGroup& group = reduction.group;
  const uint32_t call = *calls_of(group);
  const Layout layout(reduction.payload);
  list_parts(reduction, call);
  const auto begin_of = [&](int rank) { return reduction.groups * rank / group.ranks; };
  // A block takes the same share of every stripe, so that what it sums and gathers was staged by its own kind.
  const WireMemory own = memory_of(reduction, group.rank, call, 0);
  for (int r = 0; r < group.ranks; ++r) stage<Code>(reduction, layout, begin_of(r), begin_of(r + 1), own);
  meet(group, 2 * call + 1);

  const int64_t sums = reduction.half_bytes / 2;  // behind the message: the sum of the own stripe
  const WireParts& parts = *shared_memory<WireParts>();
  const WireMemory total = memory_of(reduction, group.rank, call, sums);
  each_group(layout, begin_of(group.rank), begin_of(group.rank + 1), [&](int64_t index, const Group& at, int lane) {
    Code::encode(total, at, index, lane, [&](int i) { return sum_of<Code>(parts, at, index, i); });
  });
  meet(group, 2 * call + 2);

  const View<float>& values = reduction.payload.values;
  for (int r = 0; r < group.ranks; ++r) {
    const WireMemory theirs = memory_of(reduction, r, call, sums);
    each_group(layout, begin_of(r), begin_of(r + 1), [&](int64_t index, const Group& at, int lane) {
      float* out = values.data + at.row * values.stride + at.column;
      for (int i = lane; i < at.count; i += kWarpSize) out[i] = Code::decode(theirs, at, index, i);
    });
  }
  if (threadIdx.x == 0) *calls_of(group) = call + 1;
}

}  // namespace

// A block's own arrival stands beside the others'.
std::vector<int> peers_missing(const uint32_t* counters, int32_t rank, int32_t ranks) {
  std::vector<int> missing;
  for (int r = 0; r < ranks; ++r) {
    bool late = false;
    for (int block = 0; block < kPeerBlocks; ++block) {
      const uint32_t* row = counters + block * kMaxRanks;
      late = late || static_cast<int32_t>(row[r] - row[rank]) < 0;
    }
    if (late) missing.push_back(r);
  }
  return missing;
}

int64_t peer_staging(int64_t rows, int64_t columns, Wire wire, int32_t group) {
  return 4 * staged(rows, columns, wire, group).bytes;  // two halves of a message and a sum
}

namespace {

template <class Kernel>
cudaError_t start(Kernel kernel, const PeerGroup& group, const Payload& payload, cudaStream_t stream) {
  const View<float>& values = payload.values;
  const Staged message = staged(values.rows, values.columns, payload.wire, payload.group);
  const Reduction reduction{group, payload, values.rows * blocks_of(values.columns, payload.group), message.value_bytes,
                            group.staging_bytes / 4 / kAlignment * kAlignment * 2};
  return launch(kernel, dim3(kPeerBlocks), kThreads, sizeof(WireParts), stream, reduction);
}

// Whether there is something to reduce; `error` says what is wrong with it.
bool wanted(const PeerGroup& group, const Payload& payload, cudaError_t& error) {
  const View<float>& values = payload.values;
  error = cudaSuccess;
  if (values.rows == 0 || values.columns == 0) return false;
  if (payload.group < 1 || group.ranks < 1 || group.ranks > kMaxRanks ||
      group.staging_bytes < peer_staging(values.rows, values.columns, payload.wire, payload.group)) {
    error = cudaErrorInvalidValue;
  }
  return error == cudaSuccess;
}

}  // namespace

cudaError_t one_shot(const PeerGroup& group, const Payload& payload, cudaStream_t stream) {
  cudaError_t error;
  if (!wanted(group, payload, error)) return error;
  return with_wire(payload.wire,
                   [&](auto code) { return start(reduce_one_shot<decltype(code)>, group, payload, stream); });
}

cudaError_t two_shot(const PeerGroup& group, const Payload& payload, cudaStream_t stream) {
  cudaError_t error;
  if (!wanted(group, payload, error)) return error;
  return with_wire(payload.wire,
                   [&](auto code) { return start(reduce_two_shot<decltype(code)>, group, payload, stream); });
}

}  // namespace stateline::cuda
