#include "runtime/forward_job.h"

#include <algorithm>

#include "model/finite.h"

namespace stateline {

ForwardJob::ForwardJob(JobInput input, int64_t vocabulary, Settled settled)
    : Job(std::move(input), std::move(settled)),
      rows_(static_cast<int64_t>(this->input().tokens.size())),
      vocabulary_(vocabulary),
      logits_(std::make_unique_for_overwrite<float[]>(rows_ * vocabulary)) {}

void ForwardJob::run(Rank& rank) {
  prefill(rank, [&](Step& step, View<const float> hidden, int64_t first) {
    for (int64_t row = 0; row < hidden.rows; row += LogitsBlock::kRows) {
      const int64_t rows = std::min(LogitsBlock::kRows, hidden.rows - row);
      const auto block = rank.logits(step, hidden.rows_from(row, rows));
      const auto share = share_of(rank.index(), rank.spec().ranks, rows);
      refuse_nan(block.rows_from(share.begin, share.end - share.begin));
      for (int64_t i = share.begin; i < share.end; ++i) {
        std::copy_n(block.row(i), vocabulary_, logits_.get() + (first + row + i) * vocabulary_);
      }
    }
  });
}

}  // namespace stateline
