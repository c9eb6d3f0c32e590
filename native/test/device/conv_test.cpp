#include <cmath>

#include "test/device/fixture.h"

namespace stateline::test {
namespace {

void check_conv(Device& device, std::mt19937_64& generator, int64_t channels, int64_t taps, bool with_bias,
                const std::vector<int>& lengths) {
  const Context context(text(channels) + " channels, " + text(taps) + " taps" + (with_bias ? ", with bias" : ""));
  const int64_t slots = static_cast<int64_t>(lengths.size()) + 1, slot = (taps - 1) * channels;
  std::vector<Segment> segments;
  int32_t tokens = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    segments.push_back({static_cast<int32_t>(slots - 1 - static_cast<int64_t>(i)), tokens, lengths[i]});
    tokens += lengths[i];
  }
  const std::vector<float> weight = normal(generator, taps * channels), bias = normal(generator, channels);
  const std::vector<float> source = normal(generator, tokens * channels);
  std::vector<float> state = normal(generator, slots * slot);
  Values expected, expected_state = wide(state);

  Padded x(source, channels), out(tokens, channels);
  device.conv1d({weight.data(), with_bias ? bias.data() : nullptr, taps}, x.view(),
                {segments.data(), static_cast<int32_t>(segments.size())}, {state.data(), slot}, out.view());

  for (const Segment& s : segments) {
    Values own(expected_state.begin() + s.slot * slot, expected_state.begin() + (s.slot + 1) * slot);
    const Values rows(source.begin() + s.begin * channels, source.begin() + (s.begin + s.length) * channels);
    const Values y = reference::conv1d(wide(weight), with_bias ? wide(bias) : Values{}, taps, channels, rows, own);
    expected.insert(expected.end(), y.begin(), y.end());
    std::copy(own.begin(), own.end(), expected_state.begin() + s.slot * slot);
  }
  check_values(out.dense(), expected, [&](size_t) { return 1e-5; });
  check_values(state, expected_state, [](size_t) { return 0.0; });
  CHECK(out.padding_untouched());
}

TEST("a convolution equals the reference for every width, shape and number of threads, and carries its inputs") {
  auto generator = random(20);
  for (const int threads : {1, 2, 3}) {
    const Context context(text(threads) + " threads");
    const auto device = make_cpu_device(threads);
    for (const int64_t taps : {1, 2, 3, 4, 5, 9}) {
      for (const int64_t channels : {1, 16, 18, 64, 131, 700}) {
        check_conv(*device, generator, channels, taps, taps % 2 == 0, {1, 2, 0, 3, 12});
        check_conv(*device, generator, channels, taps, taps % 2 == 1, {40});
      }
    }
  }
}

TEST("a convolution token by token equals the whole one to the last bit") {
  auto generator = random(21);
  const auto device = make_cpu_device(2);
  const int64_t channels = 150, taps = 4;
  const std::vector<float> weight = normal(generator, taps * channels), source = normal(generator, 20 * channels);
  const auto run = [&](int32_t length) {
    Padded x(source, channels), out(20, channels);
    std::vector<float> state((taps - 1) * channels, 0.0f);
    const Segment segment{0, 0, length};
    for (int64_t at = 0; at < 20; at += length) {
      device->conv1d({weight.data(), nullptr, taps}, x.view().rows_from(at, length), {&segment, 1}, {state.data(), 0},
                     out.view().rows_from(at, length));
    }
    std::vector<float> all = out.dense();
    all.insert(all.end(), state.begin(), state.end());
    return all;
  };
  CHECK(run(1) == run(20));
  CHECK(run(2) == run(20));
}

}  // namespace
}  // namespace stateline::test
