#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

TEST("the CUDA convolution equals the reference for every width, shape and cut, and carries its inputs") {
  auto generator = random(120);
  for (const int64_t taps : {1, 2, 3, 4, 7}) {
    for (const int64_t channels : {1, 131, 300}) {
      for (const auto& lengths : {std::vector<int>{1, 2, 0, 3, 70}, {1, 1, 0, 1}, {2}}) {
        const bool with_bias = taps % 2 == 0;
        const Context context(text(channels) + " channels, " + text(taps) + " taps");
        const Layout layout(lengths);
        const int64_t slot = (taps - 1) * channels;
        const auto weight = normal(generator, taps * channels), bias = normal(generator, channels),
                   source = normal(generator, layout.tokens * channels), state = normal(generator, layout.slots * slot);
        Values expected, expected_state = wide(state);
        for (const Segment& s : layout.segments) {
          Values own(expected_state.begin() + s.slot * slot, expected_state.begin() + (s.slot + 1) * slot);
          const Values rows(source.begin() + s.begin * channels, source.begin() + (s.begin + s.length) * channels);
          const Values y =
              reference::conv1d(wide(weight), with_bias ? wide(bias) : Values{}, taps, channels, rows, own);
          expected.insert(expected.end(), y.begin(), y.end());
          std::copy(own.begin(), own.end(), expected_state.begin() + s.slot * slot);
        }
        in_every_order([&] {
          Memory<float> weights(weight), biases(bias), states(state);
          Rows x(source, channels, 2), out(layout.tokens, channels, 3);
          CHECK_CUDA(cuda::conv1d(
              {weights.data(), with_bias ? biases.data() : nullptr, taps, x.view(), states.data(), slot, out.view()},
              layout.get(), nullptr));
          check_values(out.get(), expected, [](size_t) { return 1e-5; });
          check_values(states.get(), expected_state, [](size_t) { return 0.0; });
        });
      }
    }
  }
}

TEST("a CUDA convolution token by token gives the bits of the whole one") {
  constexpr int64_t kChannels = 140, kTokens = 45;
  auto generator = random(121);
  for (const int64_t taps : {2, 4, 5}) {
    const auto weight = normal(generator, taps * kChannels), source = normal(generator, kTokens * kChannels);
    const auto run = [&](int32_t length) {
      Memory<float> weights(weight), states(std::vector<float>((taps - 1) * kChannels, 0.0f));
      Rows x(source, kChannels, 0), out(kTokens, kChannels, 0);
      for (int32_t at = 0; at < kTokens; at += length) {
        const Memory<Segment> segment({Segment{0, at, length}});
        CHECK_CUDA(cuda::conv1d({weights.data(), nullptr, taps, x.view(), states.data(), 0, out.view()},
                                {segment.data(), 1, length}, nullptr));
      }
      auto all = out.get();
      const auto state = states.get();
      all.insert(all.end(), state.begin(), state.end());
      return all;
    };
    CHECK(run(1) == run(kTokens));
    CHECK(run(3) == run(kTokens));
  }
}

}  // namespace
}  // namespace stateline::test
