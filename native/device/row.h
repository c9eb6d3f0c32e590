// Loops over a row of logits in the host's memory, as sampling wants them, by the vectors of this CPU whatever device
// computed the row.
#pragma once

#include <cstdint>

namespace stateline::row {

constexpr int64_t kMostLargest = 256;  // that are worth largest(): an insertion moves as many at worst

// values[i], ids[i]: the i-th largest of row[0..count) and where it stands, the lower id first where they tie, NaN
// before all. 1 ≤ k ≤ count.
void largest(const float* row, int64_t count, int64_t k, float* values, int32_t* ids);

// Those values[i] of begin ≤ i < end that lie in [least, most], in their order, with ids[i], or i where `ids` is null;
// returns how many. They may be written where they were read.
int64_t gather_between(const float* values, const int32_t* ids, int64_t begin, int64_t end, float least, float most,
                       float* out_values, int32_t* out_ids);

// weights[i] = 2^((logits[i] - best)·rate) unless `weights` is null, within 1e-15 and what the product is off, 1 where
// a logit equals `best`, which none may exceed, be it infinite. Returns their sum. The same bits of a logit wherever it
// stands, and of a sum for the same logits.
double weigh(const float* logits, int64_t count, float best, double rate, double* weights);

}  // namespace stateline::row
