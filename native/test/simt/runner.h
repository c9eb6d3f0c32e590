// Runs a CUDA kernel's source on the CPU: a fiber a thread, blocks one after another on the calling thread.
//
// A fiber runs until it meets a barrier or an exchange of its warp; the scheduler goes on when all have arrived. What
// cannot go on (threads of a block at different barriers, lanes missing at a shuffle) is a failed launch that says so.
// Fibers run in a chosen order between two barriers: code whose result depends on it lacks a barrier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "cuda_runtime_api.h"

struct uint3 {
  unsigned int x, y, z;
};

extern thread_local constinit uint3 blockIdx;
extern thread_local constinit dim3 gridDim, blockDim;

namespace simt {

constexpr int kWarp = 32;

// A thread of the running block, as kernels see it.
struct Lane {
  uint3 thread{};  // threadIdx
  int warp = 0;
  int lane = 0;
  int half = 0;  // of the exchange buffer that this lane fills next
};

extern thread_local constinit Lane* current_lane;

// Order in which threads run between barriers.
enum class Order { forward, backward, shuffled };
void set_order(Order order);  // of launches from this thread
Order order();

// Whether a GPU would take a launch of this shape.
cudaError_t check(dim3 grid, dim3 block, size_t shared_bytes);
cudaError_t run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body);
// Why the last launch that failed did.
const std::string& failure();
// Kernels run by all threads of this process so far.
int64_t launches();

// --- for kernels ---
void* shared_memory();
void sync_block();
void sync_warp(unsigned mask);
// One row of eight-byte words a warp, twice: a lane may be one exchange ahead of the others.
uint64_t* exchange_row(int half);

template <class T>
T exchange(unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  Lane& own = *current_lane;
  uint64_t* row = exchange_row(own.half);
  own.half ^= 1;
  std::memcpy(row + own.lane, &value, sizeof(T));
  sync_warp(mask);
  T result;
  std::memcpy(&result, row + source, sizeof(T));
  return result;
}

unsigned ballot(unsigned mask, bool vote);

// Before a kernel is put on a stream.
cudaError_t prepare(cudaStream_t stream, const void* kernel);
// An operation of a stream, or of the graph that the stream captures.
cudaError_t submit(cudaStream_t stream, std::function<cudaError_t()> operation);

}  // namespace simt
