// The runner itself: that it computes what CUDA would, and that it sees what it promises to see.
#include <vector>

#include "cuda_runtime.h"
#include "test/check.h"

namespace stateline::test {
namespace {

template <class... P, class... A>
cudaError_t start(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream, A... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

template <class T>
T* shared() {
  return static_cast<T*>(simt::shared_memory());
}

__global__ void reversed(int* values) {
  shared<int>()[threadIdx.x] = values[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  values[blockIdx.x * blockDim.x + threadIdx.x] = shared<int>()[blockDim.x - 1 - threadIdx.x];
}

// The barrier is missing.
__global__ void racing(int* values) {
  shared<int>()[threadIdx.x] = values[threadIdx.x];
  values[threadIdx.x] = shared<int>()[blockDim.x - 1 - threadIdx.x];
}

__global__ void lanes(int* out) {
  const int lane = threadIdx.x % 32, own = static_cast<int>(threadIdx.x);
  int sum = own;
  for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, other);
  const int next = __shfl_down_sync(0xffffffffu, own, 1), first = __shfl_sync(0xffffffffu, own, 0);
  const unsigned odd = __ballot_sync(0xffffffffu, lane % 2);
  out[threadIdx.x] = sum + 1000 * (next - own) + 100000 * (own - first) + (odd == 0xaaaaaaaau ? 10000000 : 0);
}

__global__ void diverging(int*) {
  if (threadIdx.x < 3) __syncthreads();
}
__global__ void half_a_shuffle(int* out) {
  if (threadIdx.x < 7) out[0] = __shfl_xor_sync(0xffffffffu, out[0], 1);
}
__global__ void adds(int* out) { atomicAdd(out, 1); }

std::vector<int> counting(int count) {
  std::vector<int> values(count);
  for (int i = 0; i < count; ++i) values[i] = i;
  return values;
}

TEST("threads share memory across a barrier, in blocks of any size") {
  for (const int size : {1, 31, 64, 1000}) {
    auto values = counting(3 * size);
    CHECK_EQUAL(start(reversed, dim3(3), dim3(size), size * sizeof(int), nullptr, values.data()), cudaSuccess);
    for (int i = 0; i < 3 * size; ++i) CHECK_EQUAL(values[i], i / size * size + size - 1 - i % size);
  }
}

TEST("lanes of a warp exchange and vote") {
  std::vector<int> out(64);
  CHECK_EQUAL(start(lanes, dim3(1), dim3(64), 0, nullptr, out.data()), cudaSuccess);
  for (int i = 0; i < 64; ++i) {
    CHECK_EQUAL(out[i], (i < 32 ? 496 : 1520) + (i % 32 < 31 ? 1000 : 0) + 100000 * (i % 32) + 10000000);
  }
}

TEST("code without its barrier gives another result in another order of threads") {
  const auto run = [](simt::Order order) {
    simt::set_order(order);
    auto values = counting(40);
    CHECK_EQUAL(start(racing, dim3(1), dim3(40), 160, nullptr, values.data()), cudaSuccess);
    simt::set_order(simt::Order::forward);
    return values;
  };
  CHECK(run(simt::Order::forward) != run(simt::Order::backward));
}

TEST("a barrier or shuffle that not all threads reach fails the launch and says so, and the next one runs") {
  int value = 0;
  CHECK_EQUAL(start(diverging, dim3(1), dim3(32), 0, nullptr, &value), cudaErrorLaunchFailure);
  CHECK(simt::failure().find("__syncthreads") != std::string::npos);
  CHECK_EQUAL(start(half_a_shuffle, dim3(1), dim3(32), 0, nullptr, &value), cudaErrorLaunchFailure);
  CHECK(simt::failure().find("shuffle") != std::string::npos);
  CHECK_EQUAL(start(adds, dim3(2, 3), dim3(50), 0, nullptr, &value), cudaSuccess);
  CHECK_EQUAL(value, 300);
  CHECK_EQUAL(start(adds, dim3(1), dim3(1025), 0, nullptr, &value), cudaErrorInvalidConfiguration);
}

TEST("a captured graph runs what two streams were given, as often as it is launched, in any order their events allow") {
  cudaStream_t one, two;
  cudaEvent_t fork, join;
  CHECK_EQUAL(cudaStreamCreate(&one), cudaSuccess);
  CHECK_EQUAL(cudaStreamCreate(&two), cudaSuccess);
  CHECK_EQUAL(cudaEventCreate(&fork), cudaSuccess);
  CHECK_EQUAL(cudaEventCreate(&join), cudaSuccess);
  int a = 0, b = 0;
  CHECK_EQUAL(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  CHECK_EQUAL(cudaEventRecord(fork, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamWaitEvent(two, fork), cudaSuccess);
  CHECK_EQUAL(start(adds, dim3(1), dim3(5), 0, two, &b), cudaSuccess);
  CHECK_EQUAL(cudaEventRecord(join, two), cudaSuccess);
  CHECK_EQUAL(start(adds, dim3(1), dim3(7), 0, one, &a), cudaSuccess);
  CHECK_EQUAL(cudaStreamWaitEvent(one, join), cudaSuccess);
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CHECK_EQUAL(cudaStreamEndCapture(one, &graph), cudaSuccess);
  CHECK_EQUAL(a + b, 0);
  CHECK_EQUAL(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  for (int i = 0; i < 3; ++i) CHECK_EQUAL(cudaGraphLaunch(executable, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamSynchronize(one), cudaSuccess);
  CHECK_EQUAL(a, 21);
  CHECK_EQUAL(b, 15);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);

  // A stream that joined and did not come back.
  CHECK_EQUAL(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  CHECK_EQUAL(cudaEventRecord(fork, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamWaitEvent(two, fork), cudaSuccess);
  CHECK_EQUAL(start(adds, dim3(1), dim3(5), 0, two, &b), cudaSuccess);
  CHECK_EQUAL(cudaStreamEndCapture(one, &graph), cudaErrorStreamCaptureUnjoined);

  // Writes to one place in two streams that nothing orders.
  CHECK_EQUAL(cudaStreamBeginCapture(one, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  CHECK_EQUAL(cudaEventRecord(fork, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamWaitEvent(two, fork), cudaSuccess);
  CHECK_EQUAL(cudaMemsetAsync(&a, 1, 1, one), cudaSuccess);
  CHECK_EQUAL(cudaMemsetAsync(&a, 2, 1, two), cudaSuccess);
  CHECK_EQUAL(cudaEventRecord(join, two), cudaSuccess);
  CHECK_EQUAL(cudaStreamWaitEvent(one, join), cudaSuccess);
  CHECK_EQUAL(cudaStreamEndCapture(one, &graph), cudaSuccess);
  CHECK_EQUAL(cudaGraphInstantiate(&executable, graph), cudaSuccess);
  CHECK_EQUAL(cudaGraphLaunch(executable, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamSynchronize(one), cudaSuccess);
  CHECK_EQUAL(a, 2);
  setenv("STATELINE_SIMT_LAST_FIRST", "1", 1);
  CHECK_EQUAL(cudaGraphLaunch(executable, one), cudaSuccess);
  CHECK_EQUAL(cudaStreamSynchronize(one), cudaSuccess);
  unsetenv("STATELINE_SIMT_LAST_FIRST");
  CHECK_EQUAL(a, 1);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaEventDestroy(fork);
  cudaEventDestroy(join);
  cudaStreamDestroy(one);
  cudaStreamDestroy(two);
}

}  // namespace
}  // namespace stateline::test
