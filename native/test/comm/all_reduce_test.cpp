// Sums, their error, and what they cost, over all wires, numbers of ranks, both algorithms and odd shapes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "test/check.h"
#include "test/comm/ranks.h"
#include "trace/names.h"

namespace stateline::test {
namespace {

constexpr WireType kWires[] = {WireType::f32, WireType::f16, WireType::bf16, WireType::int8};
constexpr int64_t kPadding = 3;

struct Shape {
  int ranks;
  int64_t rows;
  int64_t columns;
  bool padded;  // rows with room between them
  int64_t two_shot_from;
  Reduction reduction;

  int64_t stride() const { return columns + (padded ? kPadding : 0); }
  std::string text() const {
    return std::to_string(ranks) + " ranks, " + std::to_string(rows) + " × " + std::to_string(columns) +
           (padded ? " padded, " : ", ") + std::string(name_of(reduction.wire)) + " in groups of " +
           std::to_string(reduction.group) + (two_shot_from ? ", one-shot" : ", two-shot");
  }
};

using Values = std::vector<float>;  // rows × stride of one rank

InProcessOptions options_for(const Shape& shape) {
  InProcessOptions options;
  options.ranks = shape.ranks;
  options.threads = shape.ranks;
  options.two_shot_from = shape.two_shot_from;
  options.message_bytes = Message({nullptr, shape.rows, shape.columns, shape.stride()}, shape.reduction).bytes();
  return options;
}

// Every rank's values after the reduction.
std::vector<Values> reduced(Ranks& ranks, const Shape& shape, std::vector<Values> values) {
  const auto codes = ranks.run([&](Communicator& communicator) {
    float* data = values[communicator.rank()].data();
    communicator.all_reduce({data, shape.rows, shape.columns, shape.stride()}, shape.reduction,
                            Op::all_reduce_out_proj);
  });
  CHECK(all_done(codes));
  return values;
}

constexpr float kMost = 8000;  // the sum of eight stays below f16's largest number, 65504

std::vector<Values> random_values(std::mt19937_64& generator, const Shape& shape) {
  std::normal_distribution<float> normal;
  std::vector<Values> values(shape.ranks, Values(shape.rows * shape.stride()));
  for (Values& each : values) {
    for (float& value : each) value = std::clamp(normal(generator) * std::exp(2 * normal(generator)), -kMost, kMost);
  }
  return values;
}

// Largest error that the wire may cause in the group of values [begin, end) of one row.
double bound(const Shape& shape, const std::vector<Values>& in, int64_t begin, int64_t end) {
  double sum_of_largest = 0, largest_sum = 0;
  for (const Values& values : in) {
    double largest = 0;
    for (int64_t i = begin; i < end; ++i) largest = std::max(largest, std::abs(static_cast<double>(values[i])));
    sum_of_largest += largest;
  }
  for (int64_t i = begin; i < end; ++i) {
    double sum = 0;
    for (const Values& values : in) sum += values[i];
    largest_sum = std::max(largest_sum, std::abs(sum));
  }
  const double rounding = sum_of_largest * shape.ranks * 0x1p-23;  // sums are f32
  switch (shape.reduction.wire) {
    case WireType::f16:
      return (sum_of_largest + largest_sum) * 0x1.01p-11 + 0x1p-24 * shape.ranks + rounding;
    case WireType::bf16:
      return (sum_of_largest + largest_sum) * 0x1.01p-8 + rounding;
    case WireType::int8:
      // The second rounding acts on the sum as it is after the first.
      return (sum_of_largest + largest_sum + sum_of_largest / 254) / 254 + rounding;
    default:
      return rounding;
  }
}

void check_sums(const Shape& shape, const std::vector<Values>& in, const std::vector<Values>& out) {
  const Context context(shape.text());
  for (const Values& values : out) {
    for (int64_t row = 0; row < shape.rows; ++row) {
      const size_t bytes = shape.columns * sizeof(float);
      CHECK(std::memcmp(&values[row * shape.stride()], &out[0][row * shape.stride()], bytes) == 0);
    }
  }
  for (int64_t row = 0; row < shape.rows; ++row) {
    for (int64_t begin = 0; begin < shape.columns; begin += shape.reduction.group) {
      const int64_t from = row * shape.stride() + begin;
      const int64_t to = row * shape.stride() + std::min<int64_t>(begin + shape.reduction.group, shape.columns);
      const double allowed = bound(shape, in, from, to);
      for (int64_t i = from; i < to; ++i) {
        double sum = 0;
        for (const Values& values : in) sum += values[i];
        CHECK_NEAR(out[0][i], sum, allowed);
      }
    }
    if (shape.padded) {
      for (int r = 0; r < shape.ranks; ++r) {
        for (int64_t i = shape.columns; i < shape.stride(); ++i) {
          CHECK_EQUAL(out[r][row * shape.stride() + i], in[r][row * shape.stride() + i]);
        }
      }
    }
  }
}

}  // namespace

TEST("every rank ends with the same bits, within the wire's error bound, on every wire and for 1 to 8 ranks") {
  auto generator = random(1);
  const auto between = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(generator);
  };
  for (const WireType wire : kWires) {
    for (int ranks = 1; ranks <= 8; ++ranks) {
      for (int round = 0; round < 8; ++round) {
        Shape shape{ranks, between(1, 9), between(1, 300), round % 2 == 1, round % 4 < 2 ? 0 : 1 << 20, {wire, 128}};
        if (round >= 4) shape.reduction.group = static_cast<int32_t>(between(1, 70));
        Ranks group(options_for(shape));
        const auto in = random_values(generator, shape);
        check_sums(shape, in, reduced(group, shape, in));
      }
    }
  }
}

TEST("an f32 wire adds in the order of ranks, so one-shot and two-shot give the same bits") {
  auto generator = random(2);
  Shape shape{5, 7, 123, false, 0, {WireType::f32}};
  const auto in = random_values(generator, shape);
  Ranks two_shot(options_for(shape));
  const auto a = reduced(two_shot, shape, in);
  shape.two_shot_from = 1 << 20;
  Ranks one_shot(options_for(shape));
  const auto b = reduced(one_shot, shape, in);
  CHECK(std::memcmp(a[0].data(), b[0].data(), a[0].size() * sizeof(float)) == 0);
  for (size_t i = 0; i < a[0].size(); ++i) {
    float sum = 0;
    for (const Values& values : in) sum += values[i];
    CHECK_EQUAL(a[0][i], sum);
  }
}

TEST("a group of zeros stays exactly zero beside large values, and NaN reaches every rank") {
  for (const int64_t two_shot_from : {int64_t{0}, int64_t{1} << 20}) {
    for (const WireType wire : kWires) {
      const Shape shape{4, 2, 160, false, two_shot_from, {wire, 32}};
      const Context context(shape.text());
      std::vector<Values> in(shape.ranks, Values(shape.rows * shape.columns, 0.0f));
      for (int64_t i = 32; i < 64; ++i) in[1][i] = 1000;
      in[2][70] = std::numeric_limits<float>::quiet_NaN();
      in[3][200] = std::numeric_limits<float>::infinity();
      Ranks group(options_for(shape));
      for (const Values& out : reduced(group, shape, in)) {
        for (int64_t i = 0; i < 32; ++i) CHECK_EQUAL(out[i], 0.0f);
        for (int64_t i = 96; i < 160; ++i) CHECK_EQUAL(out[i], 0.0f);
        CHECK_NEAR(out[40], 1000, 8);
        CHECK(std::isnan(out[70]));
        CHECK(!std::isfinite(out[200]));
        if (wire != WireType::int8) CHECK_EQUAL(out[71], 0.0f);
      }
    }
  }
}

TEST("bytes on the wire are those that a rank sends, without padding") {
  struct Case {
    int ranks;
    WireType wire;
    int64_t two_shot_from;
    int64_t sent_by_all;  // 3 rows of 300 values; int8 groups of 128 make 3 scales a row
  };
  const Case cases[] = {
      {1, WireType::f32, 0, 0},
      {2, WireType::f32, 0, 2 * 3600},
      {2, WireType::f16, 0, 2 * 1800},
      {2, WireType::int8, 0, 2 * (900 + 36)},
      {4, WireType::int8, 1 << 20, 4 * 3 * (900 + 36)},
      // Two-shot: all stripes but its own to their owners, its own to all others; 2 (P - 1) messages in sum.
      {4, WireType::int8, 0, 2 * 3 * (900 + 36)},
      {4, WireType::bf16, 0, 2 * 3 * 1800},
  };
  for (const Case& each : cases) {
    const Shape shape{each.ranks, 3, 300, true, each.two_shot_from, {each.wire, 128}};
    const Context context(shape.text());
    Ranks group(options_for(shape));
    reduced(group, shape, std::vector<Values>(shape.ranks, Values(shape.rows * shape.stride(), 1.0f)));
    int64_t sent = 0;
    for (int r = 0; r < each.ranks; ++r) sent += group.communicator(r).sent();
    CHECK_EQUAL(sent, each.sent_by_all);
  }
}

TEST("the trace shows a reduction with its parts inside, and every rank gives it the same ordinal") {
  const Shape shape{3, 4, 200, false, 0, {WireType::int8, 128}};
  Ranks group(options_for(shape));
  for (int r = 0; r < shape.ranks; ++r) group.recorder(r).open(100);
  std::vector<Values> values(shape.ranks, Values(shape.rows * shape.columns, 1.0f));
  const auto codes = group.run([&](Communicator& communicator) {
    const int rank = communicator.rank();
    group.recorder(rank).begin_step(true, {});
    for (int round = 0; round < 2; ++round) {
      communicator.all_reduce({values[rank].data(), shape.rows, shape.columns, shape.columns}, shape.reduction,
                              Op::all_reduce_out_proj);
    }
    communicator.publish(Op::gather_logits, 64);
    group.recorder(rank).end_step();
  });
  CHECK(all_done(codes));
  for (int r = 0; r < shape.ranks; ++r) {
    std::vector<Span> spans;
    CHECK_EQUAL(group.recorder(r).drain(spans), size_t{0});
    for (int64_t seq = 0; seq < 2; ++seq) {
      std::vector<Span> parts;
      Span parent;
      for (const Span& span : spans) {
        if (span.seq != seq) continue;
        span.op == Op::all_reduce_out_proj ? void(parent = span) : parts.push_back(span);
      }
      CHECK_EQUAL(parent.wire_bytes, int64_t{group.communicator(r).sent() - 64} / 2);
      CHECK(parent.algorithm == Algorithm::two_shot && parent.wire_type == WireType::int8 && parent.group == 0);
      CHECK_EQUAL(parts.size(), size_t{6});  // quantise, exchange, reduce, quantise, exchange, dequantise
      for (const Span& part : parts) {
        CHECK(part.begin >= parent.begin && part.end <= parent.end && part.begin <= part.end);
        CHECK(part.stream == Stream::communication && part.wire_bytes == 0);
      }
    }
    CHECK_EQUAL(spans.back().op == Op::step, true);
    CHECK_EQUAL(spans[spans.size() - 2].seq, int64_t{2});  // gather_logits
  }
}

}  // namespace stateline::test
