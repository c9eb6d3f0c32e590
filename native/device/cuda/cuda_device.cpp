#include "device/cuda/cuda_device.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "device/cpu/dispatch.h"
#include "device/cpu/load.h"
#include "device/cuda/check.h"
#include "device/cuda/cublas.h"
#include "device/cuda/inbox.h"
#include "device/cuda/kernels.h"
#include "device/cuda/matrix.h"
#include "device/cuda/memory.h"
#include "runtime/error.h"

namespace stateline {
namespace cuda {
namespace {

class CudaBuffer final : public Buffer {
 public:
  CudaBuffer(size_t floats, const char* purpose, cudaStream_t stream) : memory_(floats * sizeof(float), purpose) {
    if (floats) check(cudaMemsetAsync(memory_.data(), 0, memory_.bytes(), stream), "clearing memory");
  }
  float* data() const override { return memory_.as<float>(); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  DeviceMemory memory_;
};

constexpr int64_t kSettleMs = 5000;

// What other ranks wait for is small, and would stand behind all blocks of a product that fills the GPU: of streams
// with waiting blocks the one of higher priority gets the room that ends, though none is taken from what runs (CUDA
// Runtime API, cudaStreamCreateWithPriority).
int first_priority() {
  int least = 0, first = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &first), "asking for priorities");
  return first;
}

// The thread's GPU, before anything else is made on it.
struct Current {
  explicit Current(const CudaDeviceOptions& options) {
    here() = {.rank = options.rank, .gpu = options.gpu};
    check(cudaSetDevice(options.gpu), "choosing it");
  }
};

class KernelDevice final : public CudaDevice, private FusedOps {
 public:
  explicit KernelDevice(const CudaDeviceOptions& options)
      : current_(options),
        options_(options),
        ids_(options.max_tokens * sizeof(int32_t), "a step's inputs"),
        rows_(options.max_tokens * sizeof(int32_t), "a step's inputs"),
        segments_(options.max_tokens * sizeof(Segment), "a step's inputs"),
        inbox_(segments_.bytes()) {}
  ~KernelDevice() override {
    settle();
    here() = {};
  }

  FusedOps* fused() override { return this; }
  int gpu() const override { return options_.gpu; }
  cudaStream_t compute() const override { return compute_; }
  cudaStream_t communication() const override { return communication_; }

  void wait(cudaStream_t stream) override {
    await([stream] { return cudaStreamQuery(stream); });
  }
  // What failed may leave kernels that others' failures only now release, or that never end.
  void settle() override {
    cudaError_t code;
    if (gpu_hangs()) return;
    const int64_t most = std::min(kSettleMs, options_.timeout_ms);
    for (const CudaStream* stream : {&communication_, &compute_}) {
      if (!ends_within([stream] { return cudaStreamQuery(*stream); }, most, code, [] {})) gpu_hangs() = true;
    }
    cudaGetLastError();
  }

  std::unique_ptr<Buffer> allocate(size_t floats, const char* purpose) override {
    return std::make_unique<CudaBuffer>(floats, purpose, compute_);
  }

  size_t bytes() const override {
    size_t bytes = ids_.bytes() + rows_.bytes() + segments_.bytes() + (cublas_ ? cublas_->bytes() : 0);
    for (const Scratch* scratch : {&product_, &largest_, &attention_, &narrow_}) bytes += scratch->bytes();
    return bytes;
  }

  void expect_weights(size_t bytes) override { require_room(bytes, "the weights"); }
  std::unique_ptr<Matrix> pack(const TensorSlice& weight, const TensorSlice* bias, ComputeType type) override {
    auto matrix = std::make_unique<CudaMatrix>(weight, bias, type);
    if (by_cublas(options_.max_tokens) && type != ComputeType::f32)
      narrow_.reserve(options_.max_tokens * matrix->columns() * sizeof(uint16_t));
    return matrix;
  }
  std::unique_ptr<Table> keep(const TensorSlice& table) override { return std::make_unique<CudaTable>(table); }
  void load(const TensorSlice& slice, float* out) override { cpu::load(cpu::kernels(), slice, out); }

  // Copies from and to memory that is not pinned may first wait for the stream, without an end (CUDA Runtime API, "API
  // synchronization behavior"): nothing must be left to wait for.
  void upload(View<const float> host, View<float> own) override {
    wait(compute_);
    copy(host, own, cudaMemcpyHostToDevice, "copying to the GPU");
  }

  void download(View<const float> own, View<float> host) override {
    wait(compute_);
    copy(own, host, cudaMemcpyDeviceToHost, "copying from the GPU");
    wait(compute_);
  }

  void clear(View<float> own) override {
    for (int64_t row = 0; row < own.rows; ++row) {
      done("clear", cudaMemsetAsync(own.row(row), 0, own.columns * sizeof(float), compute_));
    }
  }

  StepInputs stage(StepInputs host) override {
    ++here().step;
    int64_t tokens = 0;
    longest_ = 0;
    for (const Segment& segment : host.segments) {
      tokens += segment.length;
      longest_ = std::max(longest_, segment.length);
    }
    send(ids_, host.ids, tokens * sizeof(int32_t));
    send(segments_, host.segments.data, host.segments.count * sizeof(Segment));
    return {ids_.as<int32_t>(), {segments_.as<Segment>(), host.segments.count}};
  }

  void embed(const Table& table, const int32_t* ids, View<float> out) override {
    done("embed", cuda::embed(static_cast<const CudaTable&>(table).weights(), ids, out, compute_));
  }

  void gather(View<const float> in, const int32_t* rows, View<float> out) override {
    send(rows_, rows, out.rows * sizeof(int32_t));
    done("gather", cuda::gather(in, rows_.as<int32_t>(), out, compute_));
  }

  void norm(View<float> residual, View<const float> delta, const float* weight, float epsilon,
            View<float> out) override {
    done("norm", cuda::norm(residual, delta, weight, epsilon, out, compute_));
  }

  void norm_sum(View<const float> a, View<const float> b, const float* weight, float epsilon,
                View<float> out) override {
    done("norm", cuda::norm_sum(a, b, weight, epsilon, out, compute_));
  }

  void norm_pair(View<float> residual, View<const float> delta, View<const float> other, const float* weight,
                 float epsilon, View<float> out) override {
    done("norm", cuda::norm_pair(residual, delta, other, weight, epsilon, out, compute_));
  }

  void matmul(const Matrix& weight, View<const float> in, View<float> out) override {
    const auto& matrix = static_cast<const CudaMatrix&>(weight);
    if (by_cublas(in.rows) && !in.empty()) return matmul_by_cublas(matrix, in, out);
    const auto product = in.rows <= kGemvRows ? gemv : gemm;
    done("matmul", product(matrix.weights(), matrix.bias(), in, out, compute_));
  }

  void matmul_to_host(const Matrix& weight, View<const float> in, View<float> out) override {
    download(product_of(weight, in), out);
  }

  int32_t most_largest() const override { return kTopK; }
  void largest_to_host(const Matrix& weight, View<const float> in, View<float> values, View<int32_t> columns) override {
    const auto k = static_cast<int32_t>(values.columns);
    const int64_t count = values.rows * k;
    auto* found = reinterpret_cast<float*>(largest_.room_for(2 * count * sizeof(float)));
    auto* ids = reinterpret_cast<int32_t*>(found + count);
    const View<float> all = product_of(weight, in);
    done("top_k", top_k(all, k, ids, found, compute_));
    wait(compute_);
    done("top_k", cudaMemcpy2DAsync(columns.data, columns.stride * sizeof(int32_t), ids, k * sizeof(int32_t),
                                    k * sizeof(int32_t), columns.rows, cudaMemcpyDeviceToHost, compute_));
    download({found, values.rows, k, k}, values);
  }

  void conv1d(const ConvParameters& conv, View<const float> x, Segments segments, ConvState state,
              View<float> out) override {
    done("conv1d", cuda::conv1d({conv.weight, conv.bias, conv.taps, x, state.data, state.slot_stride, out},
                                on_device(segments), compute_));
  }

  void selective_scan(const ScanParameters& scan, View<const float> u, View<const float> delta, View<const float> b,
                      View<const float> c, View<const float> z, Segments segments, SsmState state,
                      View<float> out) override {
    done("selective_scan",
         cuda::selective_scan({scan.a, scan.d, scan.states, u, delta, b, c, z, state.data, state.slot_stride, out},
                              on_device(segments), compute_));
  }

  void state_update(const Matrix& dt_proj, const ScanParameters& scan, View<const float> u, View<const float> dt,
                    View<const float> b, View<const float> c, View<const float> z, Segments segments, SsmState state,
                    View<float> out) override {
    const auto& projection = static_cast<const CudaMatrix&>(dt_proj);
    done("state_update",
         cuda::state_update({scan.a, scan.d, scan.states, u, {}, b, c, z, state.data, state.slot_stride, out}, dt,
                            projection.weights(), projection.bias(), on_device(segments), compute_));
  }

  void attention(const AttentionParameters& attention, View<const float> q, View<const float> k, View<const float> v,
                 Segments segments, KvCache cache, View<float> out) override {
    const int64_t capacity = cache.slot_stride / k.columns;
    const int64_t room =
        attention_workspace(attention.heads, attention.head_dim, capacity, segments.count, longest_) * sizeof(float);
    cuda::Attention op;
    op.heads = attention.heads;
    op.kv_heads = attention.kv_heads;
    op.head_dim = attention.head_dim;
    op.scale = attention.scale;
    op.q = q;
    op.k = k;
    op.v = v;
    op.out = out;
    op.keys = cache.keys;
    op.values = cache.values;
    op.slot_stride = cache.slot_stride;
    op.capacity = capacity;
    if (room > 0) op.workspace = reinterpret_cast<float*>(attention_.room_for(room));
    done("attention", cuda::attention(op, on_device(segments), compute_));
  }

  void gelu_gate(View<const float> gate, View<const float> up, View<float> out) override {
    done("gelu_gate", cuda::gelu_gate(gate, up, out, compute_));
  }

 private:
  bool by_cublas(int64_t rows) const { return cublas_ && rows > kGemvRows; }

  View<float> product_of(const Matrix& weight, View<const float> in) {
    const int64_t columns = weight.rows();
    const View<float> out{reinterpret_cast<float*>(product_.room_for(in.rows * columns * sizeof(float))), in.rows,
                          columns, columns};
    matmul(weight, in, out);
    return out;
  }

  // Both factors in the weights' type, as tensor cores want them; sums are f32.
  void matmul_by_cublas(const CudaMatrix& matrix, View<const float> in, View<float> out) {
    const void* values = in.data;
    int64_t stride = in.stride;
    if (const DType type = matrix.weights().type; type != DType::f32) {
      void* narrowed = narrow_.room_for(in.rows * in.columns * sizeof(uint16_t));
      done("matmul", narrow(in, type, narrowed, compute_));
      values = narrowed;
      stride = in.columns;
    }
    cublas_->product(matrix.weights(), values, stride, out);
    if (matrix.bias()) done("matmul", add_bias(out, matrix.bias(), compute_));
  }

  DeviceSegments on_device(Segments segments) const { return {segments.data, segments.count, longest_}; }

  void done(const char* op, cudaError_t code) {
    here().op = op;
    check(code, "launching");
  }
  void send(const DeviceMemory& to, const void* from, size_t bytes) {
    await([this] { return cudaEventQuery(inbox_.free()); });
    inbox_.send(to.data(), from, bytes, compute_);
  }
  template <class Query>
  void await(Query query) {
    cudaError_t code;
    const auto check_ranks = [this] {
      for (WaitsForRanks* waits : waits_) waits->check_ranks();
    };
    if (!ends_within(query, options_.timeout_ms, code, check_ranks)) give_up();
    check(code, "waiting for the GPU");
  }
  // Whether `query` is ready by then; `code` is its last answer. Calls meanwhile() between looks.
  template <class Query, class Meanwhile>
  static bool ends_within(Query query, int64_t ms, cudaError_t& code, Meanwhile meanwhile) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while ((code = query()) == cudaErrorNotReady) {
      cudaGetLastError();  // not being ready breaks nothing: forget it
      if (std::chrono::steady_clock::now() > end) return false;
      meanwhile();
      std::this_thread::yield();
    }
    return true;
  }
  [[noreturn]] void give_up();

  void copy(View<const float> from, View<float> to, cudaMemcpyKind kind, const char* op) {
    if (from.empty()) return;
    done(op, cudaMemcpy2DAsync(to.data, to.stride * sizeof(float), from.data, from.stride * sizeof(float),
                               from.columns * sizeof(float), from.rows, kind, compute_));
  }

  Current current_;
  CudaDeviceOptions options_;
  CudaStream compute_;
  CudaStream communication_{first_priority()};
  std::unique_ptr<Cublas> cublas_ = Cublas::open(compute_);  // null: the kernels' own products
  DeviceMemory ids_, rows_, segments_;                       // of the step, in which each segment has a token at least
  Inbox inbox_;
  Scratch product_, largest_, attention_, narrow_;
  int32_t longest_ = 0;  // segment of the step
};

void KernelDevice::give_up() {
  for (WaitsForRanks* waits : waits_) waits->find_missing();
  const std::string rank = std::to_string(options_.rank), gpu = std::to_string(options_.gpu),
                    step = std::to_string(here().step), timeout = std::to_string(options_.timeout_ms);
  throw Error("E_CUDA_TIMEOUT",
              "rank " + rank + " waited " + timeout + " ms for GPU " + gpu + " to end step " + step +
                  ", at or before " + here().op +
                  ": it hangs, or needs a longer collectiveTimeoutMs; load the model again",
              {{"rank", rank}, {"gpu", gpu}, {"step", step}, {"op", here().op}, {"timeoutMs", timeout}});
}

}  // namespace
}  // namespace cuda

std::unique_ptr<CudaDevice> make_cuda_device(const CudaDeviceOptions& options) {
  return std::make_unique<cuda::KernelDevice>(options);
}

}  // namespace stateline
