#include "device/row.h"

#include <algorithm>

#include "device/cpu/dispatch.h"

namespace stateline::row {
namespace {

bool before(float a, float b) { return a > b || (a != a && b == b); }

}  // namespace

void largest(const float* row, int64_t count, int64_t k, float* values, int32_t* ids) {
  const auto first_above = cpu::kernels().first_above;
  int64_t held = 0;
  const auto insert = [&](int64_t id) {
    const int64_t place = std::upper_bound(values, values + held, row[id], before) - values;
    if (place == k) return;
    held = std::min(held + 1, k);
    std::copy_backward(values + place, values + held - 1, values + held);
    std::copy_backward(ids + place, ids + held - 1, ids + held);
    values[place] = row[id];
    ids[place] = static_cast<int32_t>(id);
  };
  int64_t id = 0;
  while (id < k) insert(id++);
  while ((id = first_above(row, id, count, values[k - 1])) < count) insert(id++);
}

int64_t gather_between(const float* values, const int32_t* ids, int64_t begin, int64_t end, float least, float most,
                       float* out_values, int32_t* out_ids) {
  return cpu::kernels().gather_between(values, ids, begin, end, least, most, out_values, out_ids);
}

double weigh(const float* logits, int64_t count, float best, double rate, double* weights) {
  return cpu::kernels().weigh(logits, count, best, rate, weights);
}

}  // namespace stateline::row
