#include "runtime/score_job.h"

#include <algorithm>

#include "model/finite.h"
#include "model/loss.h"

namespace stateline {

ScoreJob::ScoreJob(JobInput input, Settled settled)
    : Job(std::move(input), std::move(settled)), losses_(this->input().tokens.size() - 1) {}

void ScoreJob::run(Rank& rank) {
  const auto& tokens = input().tokens;
  prefill(rank, [&](Step& step, View<const float> hidden, int64_t first) {
    // Row i predicts token first + i + 1; nothing follows the last one.
    const int64_t scored = std::min(hidden.rows, static_cast<int64_t>(tokens.size()) - 1 - first);
    for (int64_t row = 0; row < scored; row += LogitsBlock::kRows) {
      const int64_t rows = std::min(LogitsBlock::kRows, scored - row);
      const auto block = rank.logits(step, hidden.rows_from(row, rows));
      const auto share = share_of(rank.index(), rank.spec().ranks, rows);
      refuse_nan(block.rows_from(share.begin, share.end - share.begin));
      for (int64_t i = share.begin; i < share.end; ++i) {
        const int64_t at = first + row + i;
        losses_[at] = token_loss(block.rows_from(i, 1), tokens[at + 1]);
      }
    }
  });
}

}  // namespace stateline
