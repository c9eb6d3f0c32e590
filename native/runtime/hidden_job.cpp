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

// All ranks hold the same values: each copies its share of the rows.
void HiddenJob::run(Rank& rank) {
  int64_t begin = 0;  // of the chunk under way
  std::vector<float> scratch(std::min(tokens_, input().chunk) * hidden_);
  const auto share_of_rank = [&](View<const float> all, View<float> host) {
    const auto share = share_of(rank.index(), rank.spec().ranks, all.rows);
    const auto rows = host.rows_from(share.begin, share.end - share.begin);
    if (!rows.empty()) rank.download(all.rows_from(share.begin, rows.rows), rows);
    return rows;
  };
  const auto keep = [&](int layer, View<const float> a, View<const float> b) {
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (layers_[i] != layer) continue;
      float* out = values_.get() + (static_cast<int64_t>(i) * tokens_ + begin) * hidden_;
      const auto sum = share_of_rank(a, {out, a.rows, hidden_, hidden_});
      if (b.empty()) continue;
      const auto delta = share_of_rank(b, {scratch.data(), b.rows, hidden_, hidden_});
      const int64_t count = sum.rows * hidden_;
      std::transform(sum.data, sum.data + count, delta.data, sum.data, std::plus<>());
    }
  };
  const LayerObserver observe = keep;
  prefill(
      rank,
      [&](Step&, View<const float> hidden, int64_t) {
        refuse_nan(share_of_rank(hidden, {scratch.data(), hidden.rows, hidden_, hidden_}));
        keep(layer_count_, hidden, {});
        begin += hidden.rows;
      },
      &observe);
}

}  // namespace stateline
