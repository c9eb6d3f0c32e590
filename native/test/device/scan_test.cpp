#include <cmath>

#include "test/device/fixture.h"

namespace stateline::test {
namespace {

struct ScanCase {
  std::vector<float> a, d, u, delta, b, c, z, state;
  int64_t channels, states, slots;
  std::vector<Segment> segments;
};

// Segments of the given lengths in slots of their own, in scattered order; decays and steps as in trained models.
ScanCase random_scan(std::mt19937_64& generator, int64_t channels, int64_t states, const std::vector<int>& lengths) {
  ScanCase scan{};
  scan.channels = channels;
  scan.states = states;
  scan.slots = static_cast<int64_t>(lengths.size()) + 2;
  int32_t tokens = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    scan.segments.push_back({static_cast<int32_t>(scan.slots - 1 - static_cast<int64_t>(i)), tokens, lengths[i]});
    tokens += lengths[i];
  }
  scan.a = normal(generator, states * channels, 1);
  for (float& value : scan.a) value = -std::exp(value) * 1.442695f;
  scan.d = normal(generator, channels);
  scan.u = normal(generator, tokens * channels);
  scan.delta = normal(generator, tokens * channels, 2, -2);
  scan.b = normal(generator, tokens * states);
  scan.c = normal(generator, tokens * states);
  scan.z = normal(generator, tokens * channels, 2);
  scan.state = normal(generator, scan.slots * states * channels);
  return scan;
}

Values part(const std::vector<float>& rows, int64_t begin, int64_t count, int64_t columns) {
  return {rows.begin() + begin * columns, rows.begin() + (begin + count) * columns};
}

enum class Output { apart, over_u, over_delta };

// Runs the op and checks outputs and all slots against the reference.
void check_scan(Device& device, const ScanCase& scan, Output output) {
  const Context context(text(scan.channels) + " channels, " + text(scan.states) + " states, " +
                        text(scan.segments.size()) + " segments");
  Padded u(scan.u, scan.channels), delta(scan.delta, scan.channels, 16), z(scan.z, scan.channels, 1);
  Padded b(scan.b, scan.states), c(scan.c, scan.states, 2), apart(u.rows, scan.channels);
  Padded& out = output == Output::over_u ? u : output == Output::over_delta ? delta : apart;
  std::vector<float> state = scan.state;
  const int64_t slot = scan.states * scan.channels;
  device.selective_scan({scan.a.data(), scan.d.data(), scan.states}, u.view(), delta.view(), b.view(), c.view(),
                        z.view(), {scan.segments.data(), static_cast<int32_t>(scan.segments.size())},
                        {state.data(), slot}, out.view());
  CHECK(out.padding_untouched());

  Values expected, expected_state = wide(scan.state);
  for (const Segment& s : scan.segments) {
    Values own(expected_state.begin() + s.slot * slot, expected_state.begin() + (s.slot + 1) * slot);
    const auto rows = [&](const std::vector<float>& all, int64_t columns) {
      return part(all, s.begin, s.length, columns);
    };
    const Values y =
        reference::selective_scan(wide(scan.a), wide(scan.d), scan.states, scan.channels, rows(scan.u, scan.channels),
                                  rows(scan.delta, scan.channels), rows(scan.b, scan.states), rows(scan.c, scan.states),
                                  rows(scan.z, scan.channels), own);
    expected.insert(expected.end(), y.begin(), y.end());
    std::copy(own.begin(), own.end(), expected_state.begin() + s.slot * slot);
  }
  const double states = static_cast<double>(scan.states);
  check_values(out.dense(), expected, [&](size_t i) {  // sums may cancel, so their terms set the scale
    return 4e-6 * (std::abs(expected[i]) + 10 * std::sqrt(states) * (1 + std::abs(scan.z[i])));
  });
  check_values(state, expected_state, [&](size_t i) { return 4e-6 * (std::abs(expected_state[i]) + 5); });
}

TEST("a scan equals the reference for every number of channels, states, segments and threads") {
  struct Shape {
    int64_t channels, states;
    std::vector<int> lengths;
  };
  const Shape shapes[] = {{1, 1, {3}},         {18, 8, {7, 1, 4}},     {16, 16, {1}},      {64, 16, {33}},
                          {96, 16, {5, 0, 9}}, {130, 5, {1, 1, 1, 1}}, {37, 3, {2, 20}},   {65, 17, {6}},
                          {40, 64, {5}},       {33, 100, {6, 2}},      {300, 16, {64, 1}}, {1536, 16, {1, 1}}};
  auto generator = random(10);
  for (const int threads : {1, 2, 3}) {
    const Context context(text(threads) + " threads");
    const auto device = make_cpu_device(threads);
    for (const Shape& shape : shapes) {
      check_scan(*device, random_scan(generator, shape.channels, shape.states, shape.lengths), Output::apart);
    }
  }
}

TEST("a scan may write over u or over delta") {
  auto generator = random(11);
  const auto device = make_cpu_device(2);
  for (const Output output : {Output::over_u, Output::over_delta}) {
    check_scan(*device, random_scan(generator, 150, 16, {9, 1}), output);
  }
}

TEST("a scan in pieces, down to single tokens, ends as the whole one does") {
  auto generator = random(12);
  const auto device = make_cpu_device(2);
  const ScanCase whole = random_scan(generator, 70, 16, {40});
  const auto run = [&](const std::vector<int>& pieces) {
    Padded u(whole.u, 70), delta(whole.delta, 70), b(whole.b, 16), c(whole.c, 16), z(whole.z, 70), out(40, 70);
    std::vector<float> state(whole.state.begin(), whole.state.begin() + 16 * 70);
    int64_t at = 0;
    for (const int length : pieces) {
      const Segment segment{0, 0, length};
      device->selective_scan({whole.a.data(), whole.d.data(), 16}, u.view().rows_from(at, length),
                             delta.view().rows_from(at, length), b.view().rows_from(at, length),
                             c.view().rows_from(at, length), z.view().rows_from(at, length), {&segment, 1},
                             {state.data(), 0}, out.view().rows_from(at, length));
      at += length;
    }
    std::vector<float> all = out.dense();
    all.insert(all.end(), state.begin(), state.end());
    return all;
  };
  const std::vector<float> once = run({40});
  CHECK(run({3, 1, 17, 2, 17}) == once);
  CHECK(run(std::vector<int>(40, 1)) == once);
}

TEST("a state that does not decay stays exactly as it is") {
  const auto device = make_cpu_device(1);
  const int64_t channels = 20;
  const std::vector<float> a(channels, 0.0f), d(channels, 0.0f);
  Padded zero(std::vector<float>(500 * channels, 0.0f), channels),
      delta(std::vector<float>(500 * channels, 1.0f), channels);
  Padded b(std::vector<float>(500, 1.0f), 1), out(500, channels);
  std::vector<float> state(channels, 0.7f);
  const Segment segment{0, 0, 500};
  device->selective_scan({a.data(), d.data(), 1}, zero.view(), delta.view(), b.view(), b.view(), zero.view(),
                         {&segment, 1}, {state.data(), 0}, out.view());
  for (const float value : state) CHECK_EQUAL(value, 0.7f);
}

}  // namespace
}  // namespace stateline::test
