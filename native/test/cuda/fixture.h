// Device memory of exactly the size asked for, and a kernel run in every order that the runner has. With
// STATELINE_ON_GPU the same cases run on a GPU, whose own order is the only one.
#pragma once

#include <vector>

#include "device/cuda/kernels.h"
#include "test/device/fixture.h"
#ifndef STATELINE_ON_GPU
#include "test/simt/runner.h"
#endif

namespace stateline::test {

inline void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) fail(__FILE__, __LINE__, std::string(what) + ": " + cudaGetErrorString(error));
}
#define CHECK_CUDA(call) ::stateline::test::check_cuda(call, #call)

template <class T>
class Memory {
 public:
  explicit Memory(const std::vector<T>& values) : size_(values.size()) {
    CHECK_CUDA(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(T)));
    CHECK_CUDA(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  T* data() const { return data_; }
  std::vector<T> get() const {
    std::vector<T> values(size_);
    CHECK_CUDA(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t size_;
};

// Rows on the device with room between them. `padding` 0 or 4 keeps rows aligned where `columns` does.
class Rows {
 public:
  Rows(const std::vector<float>& dense, int64_t columns, int64_t padding)
      : host_(dense, columns, padding), memory_(host_.data) {}
  Rows(int64_t rows, int64_t columns, int64_t padding) : host_(rows, columns, padding), memory_(host_.data) {}
  View<float> view() const { return {memory_.data(), host_.rows, host_.columns, host_.stride}; }
  std::vector<float> get() {
    host_.data = memory_.get();
    CHECK(host_.padding_untouched());
    return host_.dense();
  }

 private:
  Padded host_;
  Memory<float> memory_;
};

// A stored tensor on the device.
class StoredWeights {
 public:
  StoredWeights(std::mt19937_64& generator, DType type, int64_t rows, int64_t columns, float scale = 1)
      : host(generator, type, rows, columns, scale), memory_(bytes_of(host)) {}
  cuda::Weights get() const { return {memory_.data(), host.dtype, host.rows, host.columns, host.columns}; }

  StoredTensor host;

 private:
  static std::vector<std::byte> bytes_of(const StoredTensor& tensor) {
    const std::byte* first = tensor.whole().data;
    return {first, tensor.bytes.data() + tensor.bytes.size()};
  }
  Memory<std::byte> memory_;
};

// Segments of the given lengths behind one another, in slots of their own in scattered order.
struct Layout {
  Layout(const std::vector<int>& lengths, const std::vector<int>& positions = {})
      : segments(of(lengths, positions)), memory(segments) {
    for (const Segment& segment : segments) longest = std::max(longest, segment.length), tokens += segment.length;
    slots = static_cast<int64_t>(lengths.size()) + 2;
  }
  cuda::DeviceSegments get() const { return {memory.data(), static_cast<int32_t>(segments.size()), longest}; }

  std::vector<Segment> segments;
  Memory<Segment> memory;
  int32_t longest = 0, tokens = 0;
  int64_t slots;

 private:
  static std::vector<Segment> of(const std::vector<int>& lengths, const std::vector<int>& positions) {
    std::vector<Segment> all;
    int32_t begin = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      const int32_t slot = static_cast<int32_t>(lengths.size() - i);
      all.push_back({slot, begin, lengths[i], positions.empty() ? 0 : positions[i]});
      begin += lengths[i];
    }
    return all;
  }
};

// Of the launches that follow: one order after the other as `turn` grows.
inline void take_order([[maybe_unused]] int turn) {
#ifndef STATELINE_ON_GPU
  constexpr simt::Order kOrders[] = {simt::Order::forward, simt::Order::backward, simt::Order::shuffled};
  simt::set_order(kOrders[turn % 3]);
#endif
}

// Runs a case with threads in three orders: a result that depends on the order fails in one of them.
template <class Run>
void in_every_order(Run run) {
#ifdef STATELINE_ON_GPU
  run();
#else
  constexpr const char* kNames[] = {"forward", "backward", "shuffled"};
  for (int i = 0; i < 3; ++i) {
    const Context context(std::string("threads ") + kNames[i]);
    take_order(i);
    run();
  }
  take_order(0);
#endif
}

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16};

}  // namespace stateline::test
