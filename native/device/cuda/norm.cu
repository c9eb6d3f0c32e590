// RMS norm of rows with what stands around it: residual addition, the sum of two rows, a pair of rows side by side.
// A block a row. Each thread meets its values twice; the second time they come from the cache it has just filled, so
// that a row of any length needs no room in registers. A row's sums do not depend on the rows beside it.
#include "device/cuda/common.cuh"

namespace stateline::cuda {
namespace {

constexpr int kMostThreads = 256;

// Sources: `first` does what the op does to its inputs and returns the values to be normed, `again` returns them.
struct Residual {
  View<float> residual;
  View<const float> delta;
  template <int N>
  __device__ void first(int64_t row, int64_t column, float (&x)[N]) const {
    float* at = residual.data + row * residual.stride + column;
    read_floats<N>(at, x);
    if (!delta.data) return;
    float more[N];
    read_floats<N>(delta.data + row * delta.stride + column, more);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] += more[i];
    write_floats<N>(at, x);
  }
  template <int N>
  __device__ void again(int64_t row, int64_t column, float (&x)[N]) const {
    read_floats<N>(residual.data + row * residual.stride + column, x);
  }
};

struct Sum {
  View<const float> a, b;
  template <int N>
  __device__ void first(int64_t row, int64_t column, float (&x)[N]) const {
    float more[N];
    read_floats<N>(a.data + row * a.stride + column, x);
    read_floats<N>(b.data + row * b.stride + column, more);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] += more[i];
  }
  template <int N>
  __device__ void again(int64_t row, int64_t column, float (&x)[N]) const {
    first<N>(row, column, x);
  }
};

struct Pair {
  Residual left;
  View<const float> right;
  template <int N>
  __device__ void first(int64_t row, int64_t column, float (&x)[N]) const {
    if (column < left.residual.columns) return left.first<N>(row, column, x);
    read_floats<N>(right.data + row * right.stride + column - left.residual.columns, x);
  }
  template <int N>
  __device__ void again(int64_t row, int64_t column, float (&x)[N]) const {
    if (column < left.residual.columns) return left.again<N>(row, column, x);
    first<N>(row, column, x);
  }
};

template <class Source, int N>
__global__ void __launch_bounds__(kMostThreads)
    norm_rows(Source source, const float* weight, float epsilon, View<float> out, int64_t columns) {
  float* scratch = shared_memory<float>();
  const int64_t row = blockIdx.x, step = static_cast<int64_t>(blockDim.x) * N;
  float squares = 0, x[N];
  for (int64_t column = threadIdx.x * N; column < columns; column += step) {
    source.template first<N>(row, column, x);
#pragma unroll
    for (int i = 0; i < N; ++i) squares = fmaf(x[i], x[i], squares);
  }
  const float mean = block_sum(squares, scratch) / static_cast<float>(columns);
  const float scale = 1.0f / sqrtf(mean + epsilon);
  for (int64_t column = threadIdx.x * N; column < columns; column += step) {
    source.template again<N>(row, column, x);
    float factor[N];
    if (weight) read_floats<N>(weight + column, factor);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = weight ? x[i] * scale * factor[i] : x[i] * scale;
    write_floats<N>(out.data + row * out.stride + column, x);
  }
}

template <class Source>
cudaError_t start(const Source& source, bool vector, const float* weight, float epsilon, View<float> out, int64_t rows,
                  int64_t columns, cudaStream_t stream) {
  if (rows <= 0 || columns <= 0) return cudaSuccess;
  vector = vector && columns % 4 == 0 && aligned(out) && aligned(weight, 0);
  const int64_t reads = vector ? columns / 4 : columns;
  const int threads = reads <= 32 ? 32 : reads <= 128 ? 128 : kMostThreads;
  const auto kernel = vector ? norm_rows<Source, 4> : norm_rows<Source, 1>;
  return launch(kernel, dim3(static_cast<unsigned>(rows)), threads, kWarpSize * sizeof(float), stream, source, weight,
                epsilon, out, columns);
}

View<const float> or_nothing(View<const float> delta) { return delta.empty() ? View<const float>{} : delta; }

}  // namespace

cudaError_t norm(View<float> residual, View<const float> delta, const float* weight, float epsilon, View<float> out,
                 cudaStream_t stream) {
  const Residual source{residual, or_nothing(delta)};
  return start(source, aligned(residual) && aligned(source.delta), weight, epsilon, out, residual.rows,
               residual.columns, stream);
}

cudaError_t norm_sum(View<const float> a, View<const float> b, const float* weight, float epsilon, View<float> out,
                     cudaStream_t stream) {
  return start(Sum{a, b}, aligned(a) && aligned(b), weight, epsilon, out, a.rows, a.columns, stream);
}

cudaError_t norm_pair(View<float> residual, View<const float> delta, View<const float> other, const float* weight,
                      float epsilon, View<float> out, cudaStream_t stream) {
  const Pair source{{residual, or_nothing(delta)}, other};
  const bool vector = aligned(residual) && aligned(source.left.delta) && aligned(other) && residual.columns % 4 == 0;
  return start(source, vector, weight, epsilon, out, residual.rows, residual.columns + other.columns, stream);
}

}  // namespace stateline::cuda
