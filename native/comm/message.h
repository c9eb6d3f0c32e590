// How one AllReduce's values lie on the wire: row by row, an int8 message's scales behind its values. Stripes are
// whole groups, so that a group's scale never straddles two ranks; where P does not divide them they are uneven.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "comm/communicator.h"
#include "device/tensor.h"

namespace stateline {

// Groups [begin, end) of a message, counted row after row.
struct Stripe {
  int64_t begin = 0;
  int64_t end = 0;
};

class Message {
 public:
  Message() = default;
  // Rows without gaps become one long row where groups do not notice: fewer, longer calls of the codec.
  Message(View<float> values, Reduction reduction) : values_(values), wire_(reduction.wire) {
    group_ = wire_ == WireType::int8 ? reduction.group : kStripeUnit;
    const bool whole_groups = wire_ != WireType::int8 || values.columns % group_ == 0;
    if (values.stride == values.columns && whole_groups) {
      values_ = {values.data, 1, values.rows * values.columns, values.rows * values.columns};
    }
    groups_per_row_ = (values_.columns + group_ - 1) / group_;
  }

  View<float> values() const { return values_; }
  WireType wire() const { return wire_; }
  int32_t group() const { return group_; }
  int64_t count() const { return values_.rows * values_.columns; }
  int64_t groups() const { return values_.rows * groups_per_row_; }
  Stripe whole() const { return {0, groups()}; }
  Stripe stripe(int rank, int ranks) const { return {groups() * rank / ranks, groups() * (rank + 1) / ranks}; }

  int64_t value_bytes() const { return wire_ == WireType::f32 ? 4 : wire_ == WireType::int8 ? 1 : 2; }
  // Of the first scale, from the message's start.
  int64_t scales_offset() const { return (count() * value_bytes() + kAlignment - 1) / kAlignment * kAlignment; }
  // Room that the message needs.
  int64_t bytes() const { return scales_offset() + (wire_ == WireType::int8 ? groups() * 4 : 0); }

  // Bytes on the wire of a stripe: its values and scales, no padding.
  int64_t bytes_of(Stripe stripe) const {
    int64_t bytes = 0;
    for_each_run(stripe, [&](int64_t, int64_t, int64_t count, int64_t) {
      bytes += count * value_bytes();
      if (wire_ == WireType::int8) bytes += (count + group_ - 1) / group_ * 4;
    });
    return bytes;
  }

  // Calls run(row, column, count, group) for the part of each row that lies in the stripe; `group` is its first group.
  template <class Run>
  void for_each_run(Stripe stripe, Run run) const {
    for (int64_t group = stripe.begin; group < stripe.end;) {
      const int64_t row = group / groups_per_row_;
      const int64_t in_row = group - row * groups_per_row_;
      const int64_t end_in_row = std::min(groups_per_row_, in_row + stripe.end - group);
      const int64_t column = in_row * group_;
      run(row, column, std::min(values_.columns, end_in_row * group_) - column, group);
      group += end_in_row - in_row;
    }
  }

 private:
  static constexpr int64_t kAlignment = 64;
  static constexpr int32_t kStripeUnit = 64;  // values; a cache line or two, so that stripes do not share lines

  View<float> values_;
  WireType wire_ = WireType::f32;
  int32_t group_ = kStripeUnit;
  int64_t groups_per_row_ = 0;
};

}  // namespace stateline
