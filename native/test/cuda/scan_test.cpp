#include <cmath>
#include <functional>

#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

struct Problem {
  std::vector<float> a, d, u, delta, b, c, z, state;
};

Problem random_scan(std::mt19937_64& generator, int64_t channels, int64_t states, const Layout& layout) {
  Problem p;
  p.a = normal(generator, states * channels);
  for (float& value : p.a) value = -std::exp(value) * 1.442695f;
  p.d = normal(generator, channels);
  p.u = normal(generator, layout.tokens * channels);
  p.delta = normal(generator, layout.tokens * channels, 2, -2);
  p.b = normal(generator, layout.tokens * states);
  p.c = normal(generator, layout.tokens * states);
  p.z = normal(generator, layout.tokens * channels, 2);
  p.state = normal(generator, layout.slots * states * channels);
  return p;
}

Values part(const std::vector<float>& rows, int64_t begin, int64_t count, int64_t columns) {
  return {rows.begin() + begin * columns, rows.begin() + (begin + count) * columns};
}

struct Result {
  std::vector<float> out, state;
};

enum class Output { apart, over_u, over_delta };

// dt_proj, where given, makes delta from dt on the device.
Result run(const Problem& p, int64_t channels, int64_t states, const Layout& layout, Output output,
           const std::function<cudaError_t(const cuda::Scan&)>& op) {
  Memory<float> a(p.a), d(p.d), state(p.state);
  Rows u(p.u, channels, 1), delta(p.delta, channels, 4), z(p.z, channels, 0);
  Rows b(p.b, states, 3), c(p.c, states, 2), apart(layout.tokens, channels, 5);
  Rows& out = output == Output::over_u ? u : output == Output::over_delta ? delta : apart;
  CHECK_CUDA(op({a.data(), d.data(), states, u.view(), delta.view(), b.view(), c.view(), z.view(), state.data(),
                 states * channels, out.view()}));
  return {out.get(), state.get()};
}

void check_reference(const Problem& p, const Values& delta, int64_t channels, int64_t states, const Layout& layout,
                     const Result& result) {
  Values expected, expected_state = wide(p.state);
  const int64_t slot = states * channels;
  for (const Segment& s : layout.segments) {
    Values own(expected_state.begin() + s.slot * slot, expected_state.begin() + (s.slot + 1) * slot);
    const Values y = reference::selective_scan(
        wide(p.a), wide(p.d), states, channels, part(p.u, s.begin, s.length, channels),
        Values(delta.begin() + s.begin * channels, delta.begin() + (s.begin + s.length) * channels),
        part(p.b, s.begin, s.length, states), part(p.c, s.begin, s.length, states),
        part(p.z, s.begin, s.length, channels), own);
    expected.insert(expected.end(), y.begin(), y.end());
    std::copy(own.begin(), own.end(), expected_state.begin() + s.slot * slot);
  }
  check_values(result.out, expected, [&](size_t i) {  // sums may cancel, so their terms set the scale
    return 4e-6 * (std::abs(expected[i]) + 10 * std::sqrt(states) * (1 + std::abs(p.z[i])));
  });
  check_values(result.state, expected_state, [&](size_t i) { return 4e-6 * (std::abs(expected_state[i]) + 5); });
}

TEST("the CUDA scan equals the reference for every number of channels, states, segments and cut") {
  struct Shape {
    int64_t channels, states;
    std::vector<int> lengths;
  };
  const Shape shapes[] = {{1, 1, {3}},          {32, 16, {33}},    {70, 16, {7, 1, 64, 0, 5}},
                          {33, 8, {1, 1, 1}},   {40, 17, {20}},    {31, 64, {5, 2}},
                          {35, 100, {9}},       {3, 256, {2, 17}}, {64, 16, {100}},
                          {200, 16, {1, 4, 2}}, {40, 16, {1}},     {31, 40, {4, 2}}};
  auto generator = random(110);
  for (const Shape& shape : shapes) {
    const Context context(text(shape.channels) + " channels of " + text(shape.states) + " states, " +
                          text(shape.lengths.size()) + " segments");
    const Layout layout(shape.lengths);
    const Problem p = random_scan(generator, shape.channels, shape.states, layout);
    in_every_order([&] {
      for (const Output output : {Output::apart, Output::over_u, Output::over_delta}) {
        const Result result = run(p, shape.channels, shape.states, layout, output, [&](const cuda::Scan& scan) {
          return cuda::selective_scan(scan, layout.get(), nullptr);
        });
        check_reference(p, wide(p.delta), shape.channels, shape.states, layout, result);
      }
    });
  }
}

TEST("the CUDA scan in pieces, down to single tokens, gives the bits of the whole one") {
  constexpr int64_t kChannels = 50, kStates = 16, kTokens = 70;
  auto generator = random(111);
  const Layout whole({kTokens});
  const Problem p = random_scan(generator, kChannels, kStates, whole);
  const auto in_pieces = [&](const std::vector<int>& pieces) {
    return run(p, kChannels, kStates, whole, Output::apart, [&](cuda::Scan scan) {
      cudaError_t error = cudaSuccess;
      Segment segment = whole.segments[0];
      for (const int length : pieces) {
        segment.length = length;
        const Memory<Segment> memory({segment});
        if (const cudaError_t own = cuda::selective_scan(scan, {memory.data(), 1, length}, nullptr)) error = own;
        segment.begin += length;
      }
      return error;
    });
  };
  const Result once = in_pieces({kTokens});
  for (const auto& pieces : {std::vector<int>(kTokens, 1), std::vector<int>{1, 40, 3, 26}}) {
    const Result result = in_pieces(pieces);
    CHECK(result.out == once.out);
    CHECK(result.state == once.state);
  }
}

TEST("CUDA decode with dt_proj inside equals the reference for every weight type, rank and number of states") {
  struct Shape {
    int64_t channels, states, rank;
    std::vector<int> lengths;
  };
  const Shape shapes[] = {{64, 16, 8, {1, 1, 1}}, {33, 16, 5, {1}}, {40, 3, 160, {1, 0, 1}}, {20, 64, 16, {1}},
                          {9, 200, 24, {1, 1}},   {20, 50, 7, {1}}, {9, 130, 9, {1}}};
  auto generator = random(112);
  for (const Shape& shape : shapes) {
    for (const DType type : kTypes) {
      const Context context(text(shape.channels) + " channels of " + text(shape.states) + " states, rank " +
                            text(shape.rank) + " in " + std::string(name_of(type)));
      const Layout layout(shape.lengths);
      const Problem p = random_scan(generator, shape.channels, shape.states, layout);
      const StoredWeights weight(generator, type, shape.channels, shape.rank, 0.3f);
      const auto bias = normal(generator, shape.channels, 1, -2), dt = normal(generator, layout.tokens * shape.rank);
      const Values delta =
          reference::matmul(wide(dt), weight.host.values, wide(bias), layout.tokens, shape.channels, shape.rank);
      in_every_order([&] {
        const Memory<float> bias_memory(bias);
        const Rows dt_rows(dt, shape.rank, 1);
        const Result result = run(p, shape.channels, shape.states, layout, Output::over_u, [&](const cuda::Scan& scan) {
          return cuda::state_update(scan, dt_rows.view(), weight.get(), bias_memory.data(), layout.get(), nullptr);
        });
        check_reference(p, delta, shape.channels, shape.states, layout, result);
      });
    }
  }
}

TEST("a CUDA state that does not decay stays exactly as it is") {
  constexpr int64_t kChannels = 20;
  const Layout layout({200});
  Problem p;
  p.a = p.d = std::vector<float>(kChannels, 0.0f);
  p.u = p.z = std::vector<float>(200 * kChannels, 0.0f);
  p.delta = std::vector<float>(200 * kChannels, 1.0f);
  p.b = p.c = std::vector<float>(200, 1.0f);
  p.state = std::vector<float>(layout.slots * kChannels, 0.7f);
  const Result result = run(p, kChannels, 1, layout, Output::apart,
                            [&](const cuda::Scan& scan) { return cuda::selective_scan(scan, layout.get(), nullptr); });
  for (const float value : result.state) CHECK_EQUAL(value, 0.7f);
}

}  // namespace
}  // namespace stateline::test
