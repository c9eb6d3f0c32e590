#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "device/finite.h"
#include "model/finite.h"
#include "runtime/error.h"

namespace stateline {
namespace {

// What the tensors need at least: vectors and padding come to it.
size_t least_bytes(const TensorTable& tensors, ComputeType type) {
  const int64_t packed = type == ComputeType::f32 ? 4 : type == ComputeType::int8 ? 1 : 2;
  int64_t bytes = 0;
  tensors.for_each([&](Role role, const TensorSlice& slice) {
    const int64_t kept = slice.dtype == DType::f32 ? 4 : 2;
    if (slice.columns() > 1) bytes += slice.rows() * slice.columns() * (role == Role::embed ? kept : packed);
  });
  return static_cast<size_t>(bytes);
}

class Loader {
 public:
  Loader(Device& device, const TensorTable& tensors, const ModelShape& shape, ComputeType type, int rank,
         const LoadProgress& progress)
      : device_(device), tensors_(tensors), shape_(shape), type_(type), rank_(rank), progress_(progress) {}

  ModelWeights load() {
    const int64_t h = shape_.hidden;
    device_.expect_weights(least_bytes(tensors_, type_));
    weights_.embedding = device_.keep(tensors_.require(Role::embed, -1, shape_.vocabulary, h));
    weights_.bytes += weights_.embedding->bytes();
    for (int layer = 0; layer < shape_.layers; ++layer) {
      LayerWeights& w = weights_.layers.emplace_back();
      w.norm = vector(require(Role::norm, layer, h, 1));
      w.mixer = mixer(layer);
      if (tensors_.find(Role::hybrid_linear, layer)) {
        w.block = block(layer);
        w.linear = matrix(Role::hybrid_linear, layer, h, h, nullptr);
      }
    }
    weights_.norm_f = vector(require(Role::norm_f, -1, h, 1));
    load_head();
    return std::move(weights_);
  }

 private:
  MixerWeights mixer(int layer) {
    const int64_t h = shape_.hidden;
    const int64_t d = channels(layer);
    MixerWeights w;
    w.in_proj_x = matrix(Role::in_proj_x, layer, d, h, optional(Role::in_proj_x_bias, layer, d));
    w.in_proj_z = matrix(Role::in_proj_z, layer, d, h, optional(Role::in_proj_z_bias, layer, d));

    w.conv.taps = shape_.taps;
    w.conv.weight = keep(transposed(require(Role::conv1d, layer, d, shape_.taps)));
    if (const TensorSlice* bias = optional(Role::conv1d_bias, layer, d)) w.conv.bias = vector(*bias);

    w.heads = heads(layer, d);

    // The AllReduce adds all ranks' outputs, so one rank alone brings the bias.
    w.out_proj = matrix(Role::out_proj, layer, h, d, rank_ == 0 ? optional(Role::out_proj_bias, layer, h) : nullptr);
    return w;
  }

  // This rank's heads, or its share of one. Rows of every tensor are in the order of heads.
  std::vector<MixerHead> heads(int layer, int64_t d) {
    const int64_t r = shape_.dt_rank, rows = shape_.x_proj_rows();
    const TensorSlice* held = tensors_.find(Role::x_proj, layer);
    const int64_t count = held ? std::max<int64_t>(1, held->rows() / rows) : 1;
    const int64_t channels = d / count;
    const TensorSlice& x_proj = tensors_.require(Role::x_proj, layer, count * rows, channels);
    const TensorSlice& dt_proj = tensors_.require(Role::dt_proj, layer, count * channels, r);
    const TensorSlice& bias = require(Role::dt_proj_bias, layer, count * channels, 1);
    const TensorSlice& a_log = require(Role::a_log, layer, count * channels, shape_.states);
    const TensorSlice& skip = require(Role::d, layer, count * channels, 1);

    std::vector<MixerHead> heads(count);
    for (int64_t i = 0; i < count; ++i) {
      const auto own = [&](const TensorSlice& slice) { return slice.part(i * channels, channels); };
      const TensorSlice own_bias = own(bias);
      heads[i].x_proj = packed(Role::x_proj, layer, x_proj.part(i * rows, rows), nullptr);
      heads[i].dt_proj = packed(Role::dt_proj, layer, own(dt_proj), &own_bias);
      heads[i].scan = {decay(own(a_log)), vector(own(skip)), shape_.states};
    }
    return heads;
  }

  // The layer's own block, or else the one of the hybrid layer before it.
  const SharedBlock* block(int layer) {
    const TensorSlice* q = tensors_.find(Role::q_proj, layer);
    if (!q && !weights_.blocks.empty()) return weights_.blocks.back().get();
    const int64_t h = shape_.hidden, dim = shape_.head_dim;
    const auto rows = [&](Role role) {
      const TensorSlice* slice = tensors_.find(role, layer);
      return slice ? slice->rows() : 0;
    };
    const int64_t queries = rows(Role::q_proj), keys = rows(Role::k_proj), inner = rows(Role::mlp_gate);
    auto block = std::make_unique<SharedBlock>();
    block->attention_norm = vector(require(Role::attention_norm, layer, 2 * h, 1));
    block->q_proj = matrix(Role::q_proj, layer, queries, 2 * h, nullptr);
    block->k_proj = matrix(Role::k_proj, layer, keys, 2 * h, nullptr);
    block->v_proj = matrix(Role::v_proj, layer, keys, 2 * h, nullptr);
    block->o_proj = matrix(Role::o_proj, layer, h, queries, nullptr);
    block->mlp_norm = vector(require(Role::mlp_norm, layer, h, 1));
    block->gate = matrix(Role::mlp_gate, layer, inner, h, nullptr);
    block->up = matrix(Role::mlp_up, layer, inner, h, nullptr);
    block->down = matrix(Role::mlp_down, layer, h, inner, nullptr);
    if (dim < 1 || queries % dim != 0 || keys % dim != 0 || queries % keys != 0) {
      throw Error("E_TENSOR_SHAPE",
                  "q_proj and k_proj must hold whole heads of " + std::to_string(dim) + " rows, got " +
                      std::to_string(queries) + " and " + std::to_string(keys),
                  {{"tensor", "q_proj"}, {"layer", std::to_string(layer)}});
    }
    // Half of the concatenated input's head counts: transformers' Zamba scales by (head_dim / 2)^-1/2.
    block->attention = {queries / dim, keys / dim, dim, 1 / std::sqrt(static_cast<float>(dim) / 2)};
    return weights_.blocks.emplace_back(std::move(block)).get();
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
    // The embedding is not packed. Each rank looks through as many rows of it as it has of the head.
    const TensorSlice& embedding = tensors_.require(Role::embed, -1, shape_.vocabulary, shape_.hidden);
    if (embedding.data != slice->data) {
      refuse_non_finite(Role::embed, -1, embedding.part(weights_.head_begin, slice->rows()));
    }
  }

  std::unique_ptr<Matrix> matrix(Role role, int layer, int64_t rows, int64_t columns, const TensorSlice* bias) {
    return packed(role, layer, tensors_.require(role, layer, rows, columns), bias);
  }

  std::unique_ptr<Matrix> packed(Role role, int layer, const TensorSlice& slice, const TensorSlice* bias) {
    try {
      auto packed = device_.pack(slice, bias, type_);
      weights_.bytes += packed->bytes();
      progress_(stored_bytes(slice) + (bias ? stored_bytes(*bias) : 0));
      return packed;
    } catch (const NotFinite&) {
      refuse_non_finite(role, layer, slice);
      throw;
    }
  }

  const TensorSlice& require(Role role, int layer, int64_t rows, int64_t columns) {
    const TensorSlice& slice = tensors_.require(role, layer, rows, columns);
    refuse_non_finite(role, layer, slice);
    return slice;
  }

  const TensorSlice* optional(Role role, int layer, int64_t rows) {
    const TensorSlice* slice = tensors_.optional(role, layer, rows, 1);
    if (slice) refuse_non_finite(role, layer, *slice);
    return slice;
  }

  // Into memory of the device that the weights keep.
  const float* keep(const std::vector<float>& values) {
    const auto count = static_cast<int64_t>(values.size());
    weights_.vectors.push_back(device_.allocate(count, "the weights"));
    weights_.bytes += weights_.vectors.back()->bytes();
    float* own = weights_.vectors.back()->data();
    device_.upload({values.data(), 1, count, count}, {own, 1, count, count});
    return own;
  }

  const float* vector(const TensorSlice& slice) {
    std::vector<float> values(slice.rows() * slice.columns());
    device_.load(slice, values.data());
    progress_(stored_bytes(slice));
    return keep(values);
  }

  // [rows, columns] as stored → [columns, rows].
  std::vector<float> transposed(const TensorSlice& slice) {
    const int64_t rows = slice.rows(), columns = slice.columns();
    std::vector<float> stored(rows * columns), values(rows * columns);
    device_.load(slice, stored.data());
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) values[column * rows + row] = stored[row * columns + column];
    }
    progress_(stored_bytes(slice));
    return values;
  }

  // A·log2(e) with A = -exp(A_log), as ScanParameters wants it.
  const float* decay(const TensorSlice& a_log) {
    std::vector<float> a = transposed(a_log);
    for (float& value : a) value = -std::exp(value) * std::numbers::log2e_v<float>;
    return keep(a);
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
