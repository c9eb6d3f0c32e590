#include "model/weights.h"

#include <cmath>
#include <numbers>
#include <string>

#include "runtime/error.h"

namespace stateline {
namespace {

class Loader {
 public:
  Loader(Device& device, const TensorTable& tensors, const ModelShape& shape, ComputeType type, int rank,
         const LoadProgress& progress)
      : device_(device), tensors_(tensors), shape_(shape), type_(type), rank_(rank), progress_(progress) {}

  ModelWeights load() {
    const int64_t h = shape_.hidden;
    weights_.embedding = tensors_.require(Role::embed, -1, shape_.vocabulary, h);
    for (int layer = 0; layer < shape_.layers; ++layer) {
      LayerWeights& w = weights_.layers.emplace_back();
      w.norm = vector(tensors_.require(Role::norm, layer, h, 1));
      w.mixer = mixer(layer);
    }
    weights_.norm_f = vector(tensors_.require(Role::norm_f, -1, h, 1));
    load_head();
    return std::move(weights_);
  }

 private:
  MixerWeights mixer(int layer) {
    const int64_t h = shape_.hidden, r = shape_.dt_rank;
    const int64_t d = channels(layer);
    MixerWeights w;
    w.in_proj_x = matrix(Role::in_proj_x, layer, d, h, optional(Role::in_proj_x_bias, layer, d));
    w.in_proj_z = matrix(Role::in_proj_z, layer, d, h, optional(Role::in_proj_z_bias, layer, d));

    w.conv.taps = shape_.taps;
    w.conv.weight = transposed(tensors_.require(Role::conv1d, layer, d, shape_.taps));
    if (const TensorSlice* bias = optional(Role::conv1d_bias, layer, d)) w.conv.bias = vector(*bias);

    w.x_proj = matrix(Role::x_proj, layer, shape_.x_proj_rows(), d, nullptr);
    w.dt_proj = matrix(Role::dt_proj, layer, d, r, &tensors_.require(Role::dt_proj_bias, layer, d, 1));

    w.scan.states = shape_.states;
    w.scan.a = decay(tensors_.require(Role::a_log, layer, d, shape_.states));
    w.scan.d = vector(tensors_.require(Role::d, layer, d, 1));

    // The AllReduce adds all ranks' outputs, so one rank alone brings the bias.
    w.out_proj = matrix(Role::out_proj, layer, h, d, rank_ == 0 ? optional(Role::out_proj_bias, layer, h) : nullptr);
    return w;
  }

  // All layers split alike; the first in_proj says how many channels are this rank's.
  int64_t channels(int layer) {
    if (layer == 0) {
      const TensorSlice* slice = tensors_.find(Role::in_proj_x, 0);
      weights_.inner = slice ? slice->rows() : 0;
    }
    return weights_.inner;
  }

  void load_head() {
    const TensorSlice* slice = tensors_.find(Role::lm_head, -1);
    if (!slice) return;  // more ranks than rows
    tensors_.optional(Role::lm_head, -1, slice->rows(), shape_.hidden);
    if (slice->runs.size() != 1 || slice->runs[0].step != 1) {
      throw Error("E_PLAN", "lm_head must be split into one run of rows a rank", {{"tensor", "lm_head"}});
    }
    weights_.head_begin = slice->runs[0].begin;
    weights_.lm_head = matrix(Role::lm_head, -1, slice->rows(), shape_.hidden, nullptr);
  }

  std::unique_ptr<Matrix> matrix(Role role, int layer, int64_t rows, int64_t columns, const TensorSlice* bias) {
    const TensorSlice& slice = tensors_.require(role, layer, rows, columns);
    auto packed = device_.pack(slice, bias, type_);
    weights_.bytes += packed->bytes();
    progress_(stored_bytes(slice) + (bias ? stored_bytes(*bias) : 0));
    return packed;
  }

  const TensorSlice* optional(Role role, int layer, int64_t rows) { return tensors_.optional(role, layer, rows, 1); }

  float* buffer(int64_t floats) {
    weights_.vectors.push_back(device_.allocate(floats));
    weights_.bytes += weights_.vectors.back()->bytes();
    return weights_.vectors.back()->data();
  }

  const float* vector(const TensorSlice& slice) {
    float* out = buffer(slice.rows() * slice.columns());
    device_.load(slice, out);
    progress_(stored_bytes(slice));
    return out;
  }

  // [rows, columns] as stored → [columns, rows].
  float* transposed(const TensorSlice& slice) {
    float* out = buffer(slice.rows() * slice.columns());
    for (int64_t column = 0; column < slice.columns(); ++column) {
      TensorSlice one = slice;
      one.column_begin = slice.column_begin + column;
      one.column_end = one.column_begin + 1;
      device_.load(one, out + column * slice.rows());
    }
    progress_(stored_bytes(slice));
    return out;
  }

  // A·log2(e) with A = -exp(A_log), as ScanParameters wants it.
  const float* decay(const TensorSlice& a_log) {
    float* a = transposed(a_log);
    for (int64_t i = 0; i < a_log.rows() * a_log.columns(); ++i) a[i] = -std::exp(a[i]) * std::numbers::log2e_v<float>;
    return a;
  }

  Device& device_;
  const TensorTable& tensors_;
  const ModelShape& shape_;
  ComputeType type_;
  int rank_;
  const LoadProgress& progress_;
  ModelWeights weights_;
};

}  // namespace

int64_t stored_bytes(const TensorSlice& slice) {
  return slice.rows() * slice.columns() * (slice.dtype == DType::f32 ? 4 : 2);
}

ModelWeights load_weights(Device& device, const TensorTable& tensors, const ModelShape& shape, ComputeType type,
                          int rank, const LoadProgress& progress) {
  return Loader(device, tensors, shape, type, rank, progress).load();
}

}  // namespace stateline
