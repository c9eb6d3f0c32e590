// Ops that treat each value by itself: embedding, gather, gated gelu, bias, conversions.
// A thread a value and a grid that strides over rows: all are bound by memory, and neighbours coalesce.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostRows = 65535;  // of a grid

template <class Op>
__global__ void __launch_bounds__(kThreads) each_value(Op op, int64_t rows, int64_t columns) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= columns) return;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) op(row, column);
}

template <class Op>
cudaError_t for_each(const Op& op, int64_t rows, int64_t columns, cudaStream_t stream) {
  if (rows <= 0 || columns <= 0) return cudaSuccess;
  const dim3 grid(grid_of(columns, kThreads), static_cast<unsigned>(rows < kMostRows ? rows : kMostRows));
  return launch(each_value<Op>, grid, kThreads, 0, stream, op, rows, columns);
}

template <class T>
struct Embed {
  const T* table;
  int64_t stride, vocabulary;
  const int32_t* ids;
  View<float> out;
  __device__ void operator()(int64_t row, int64_t column) const {
    const int64_t id = ids[row];
    const bool known = id >= 0 && id < vocabulary;
    out.data[row * out.stride + column] = known ? widened(table[id * stride + column]) : __uint_as_float(0x7fc00000u);
  }
};

template <class T>
struct Widen {
  const T* in;
  int64_t stride, columns;
  float* out;
  __device__ void operator()(int64_t row, int64_t column) const {
    out[row * columns + column] = widened(in[row * stride + column]);
  }
};

template <class T>
struct Narrow {
  View<const float> in;
  T* out;
  __device__ void operator()(int64_t row, int64_t column) const {
    out[row * in.columns + column] = narrowed<T>(in.data[row * in.stride + column]);
  }
};

struct Gather {
  View<const float> in;
  const int32_t* rows;
  View<float> out;
  __device__ void operator()(int64_t row, int64_t column) const {
    out.data[row * out.stride + column] = in.data[rows[row] * in.stride + column];
  }
};

struct GeluGate {
  View<const float> gate, up;
  View<float> out;
  __device__ void operator()(int64_t row, int64_t column) const {
    const float x = gate.data[row * gate.stride + column];
    // erfc rather than 1 + erf: no cancellation on the left tail.
    const float gelu = 0.5f * x * erfcf(x * -0.70710678f);
    out.data[row * out.stride + column] = gelu * up.data[row * up.stride + column];
  }
};

struct AddBias {
  View<float> out;
  const float* bias;
  __device__ void operator()(int64_t row, int64_t column) const { out.data[row * out.stride + column] += bias[column]; }
};

}  // namespace

cudaError_t embed(const Weights& table, const int32_t* ids, View<float> out, cudaStream_t stream) {
  return with_type(table.type, [&](auto type) {
    using T = decltype(type);
    const Embed<T> op{static_cast<const T*>(table.data), table.stride, table.rows, ids, out};
    return for_each(op, out.rows, out.columns, stream);
  });
}

cudaError_t widen(const Weights& in, float* out, cudaStream_t stream) {
  return with_type(in.type, [&](auto type) {
    using T = decltype(type);
    const Widen<T> op{static_cast<const T*>(in.data), in.stride, in.columns, out};
    return for_each(op, in.rows, in.columns, stream);
  });
}

cudaError_t narrow(View<const float> in, DType type, void* out, cudaStream_t stream) {
  return with_type(type, [&](auto stored) {
    using T = decltype(stored);
    return for_each(Narrow<T>{in, static_cast<T*>(out)}, in.rows, in.columns, stream);
  });
}

cudaError_t gather(View<const float> in, const int32_t* rows, View<float> out, cudaStream_t stream) {
  return for_each(Gather{in, rows, out}, out.rows, out.columns, stream);
}

cudaError_t gelu_gate(View<const float> gate, View<const float> up, View<float> out, cudaStream_t stream) {
  return for_each(GeluGate{gate, up, out}, gate.rows, gate.columns, stream);
}

cudaError_t add_bias(View<float> out, const float* bias, cudaStream_t stream) {
  return for_each(AddBias{out, bias}, out.rows, out.columns, stream);
}

}  // namespace stateline::cuda
