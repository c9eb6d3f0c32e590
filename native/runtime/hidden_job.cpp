#include "runtime/hidden_job.h"

#include <algorithm>
#include <string>

#include "model/finite.h"
#include "runtime/error.h"

namespace stateline {

HiddenJob::HiddenJob(JobInput input, std::vector<int32_t> layers, const ModelShape& shape, Settled settled)
    : Job(std::move(input), std::move(settled)),
      layers_(std::move(layers)),
      layer_count_(static_cast<int>(shape.layers)),
      tokens_(static_cast<int64_t>(this->input().tokens.size())),
      hidden_(shape.hidden),
      size_(static_cast<int64_t>(layers_.size()) * tokens_ * hidden_) {
  for (const int32_t layer : layers_) {
    if (layer >= -1 && layer <= layer_count_) continue;
    throw Error("E_OPTION", "layers must be -1 to " + std::to_string(layer_count_) + ", got " + std::to_string(layer),
                {{"option", "layers"}, {"value", std::to_string(layer)}});
  }
  values_ = std::make_unique_for_overwrite<float[]>(size_);
}

void HiddenJob::run(Rank& rank) {
  int64_t begin = 0;  // of the chunk under way
  const LayerObserver observe = [&](int layer, View<const float> residual, View<const float> delta) {
    keep(rank, layer, begin, residual, delta);
  };
  prefill(
      rank,
      [&](Step&, View<const float> hidden, int64_t first) {
        refuse_nan(hidden);
        keep(rank, layer_count_, first, hidden, {});
        begin = first + hidden.rows;
      },
      &observe);
}

// All ranks hold the same values: each copies its share of the rows.
void HiddenJob::keep(const Rank& rank, int layer, int64_t first, View<const float> a, View<const float> b) {
  const auto share = share_of(rank.index(), rank.spec().ranks, a.rows);
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i] != layer) continue;
    for (int64_t row = share.begin; row < share.end; ++row) {
      float* out = values_.get() + (static_cast<int64_t>(i) * tokens_ + first + row) * hidden_;
      if (b.empty()) {
        std::copy_n(a.row(row), hidden_, out);
      } else {
        std::transform(a.row(row), a.row(row) + hidden_, b.row(row), out, std::plus<>());
      }
    }
  }
}

}  // namespace stateline
