#include <bit>
#include <cmath>
#include <limits>

#include "device/cpu/dispatch.h"
#include "test/device/fixture.h"
#include "test/reference/number_formats.h"

namespace stateline::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST("every f16 and bf16 value decodes as its format says") {
  std::vector<uint16_t> all(65536);
  for (int i = 0; i < 65536; ++i) all[i] = static_cast<uint16_t>(i);
  const uint16_t* part = all.data();
  std::vector<float> out(65536);
  cpu::kernels().sum_f16(&part, 1, out.data(), 65536);
  for (int i = 0; i < 65536; ++i) {
    if (!same(out[i], reference::decode_f16(all[i]))) CHECK_EQUAL(out[i], reference::decode_f16(all[i]));
  }
  cpu::kernels().sum_bf16(&part, 1, out.data(), 65536);
  for (int i = 0; i < 65536; ++i) {
    if (!same(out[i], reference::decode_bf16(all[i]))) CHECK_EQUAL(out[i], reference::decode_bf16(all[i]));
  }
}

TEST("f16 and bf16 round every kind of float to nearest even") {
  auto generator = random(40);
  std::vector<float> in = {0.0f,      -0.0f,        1.0f,     65504.0f,  65519.9f,   65520.0f,
                           -65520.0f, 1e30f,        3.4e38f,  kInfinity, -kInfinity, std::nanf(""),
                           0x1p-14f,  0x1.ffcp-15f, 0x1p-24f, 0x1p-25f,  0x1.8p-25f, 0x1p-149f};
  for (int i = 0; i < 20000; ++i) in.push_back(std::bit_cast<float>(static_cast<uint32_t>(generator())));
  for (int i = 0; i < 20000; ++i) {  // the range of f16, and ties of both formats
    const auto bits = static_cast<uint32_t>(generator());
    in.push_back(std::ldexp(static_cast<float>(bits & 0xfff) / 4096.0f + 1.0f, static_cast<int>(bits >> 12) % 45 - 26));
    in.push_back(std::bit_cast<float>((bits & 0xffff0000u) | 0x8000u));
  }
  const auto n = static_cast<int64_t>(in.size());
  std::vector<uint16_t> f16(n + 1, 7), bf16(n + 1, 7);
  cpu::kernels().encode_f16(in.data(), f16.data(), n);
  cpu::kernels().encode_bf16(in.data(), bf16.data(), n);
  for (int64_t i = 0; i < n; ++i) {
    const Context context("value " + text(in[i]));
    if (std::isnan(in[i])) {
      CHECK(std::isnan(reference::decode_f16(f16[i])) && std::isnan(reference::decode_bf16(bf16[i])));
    } else {
      CHECK_EQUAL(f16[i], reference::encode_f16(in[i]));
      CHECK_EQUAL(bf16[i], reference::encode_bf16(in[i]));
    }
  }
  CHECK(f16[n] == 7 && bf16[n] == 7);
}

TEST("sums add the parts in order and leave what lies behind them alone") {
  auto generator = random(41);
  const auto& kernels = cpu::kernels();
  for (const int64_t n : {1, 5, 16, 33, 200}) {
    for (const int count : {1, 2, 3, 8}) {
      std::vector<std::vector<float>> values;
      std::vector<std::vector<uint16_t>> halves;
      std::vector<const float*> float_parts;
      std::vector<const uint16_t*> half_parts;
      for (int r = 0; r < count; ++r) {
        values.push_back(normal(generator, n));
        halves.emplace_back(n);
        kernels.encode_f16(values[r].data(), halves[r].data(), n);
      }
      for (int r = 0; r < count; ++r) {
        float_parts.push_back(values[r].data());
        half_parts.push_back(halves[r].data());
      }
      std::vector<float> out(n + 1, 7.0f);
      kernels.sum_f32(float_parts.data(), count, out.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        float total = values[0][i];
        for (int r = 1; r < count; ++r) total += values[r][i];
        CHECK_EQUAL(out[i], total);
      }
      kernels.sum_f16(half_parts.data(), count, out.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        auto total = static_cast<float>(reference::decode_f16(halves[0][i]));
        for (int r = 1; r < count; ++r) total += static_cast<float>(reference::decode_f16(halves[r][i]));
        CHECK_EQUAL(out[i], total);
      }
      CHECK_EQUAL(out[n], 7.0f);
    }
  }
}

struct Quantised {
  std::vector<int8_t> values;
  std::vector<float> scales;
};

Quantised quantise(const std::vector<float>& in, int32_t group) {
  const auto n = static_cast<int64_t>(in.size());
  Quantised out{std::vector<int8_t>(n + 1, 99), std::vector<float>((n + group - 1) / group + 1, 99.0f)};
  cpu::kernels().encode_int8(in.data(), n, group, out.values.data(), out.scales.data());
  CHECK_EQUAL(static_cast<int>(out.values[n]), 99);
  CHECK_EQUAL(out.scales.back(), 99.0f);
  return out;
}

std::vector<float> sum(const std::vector<Quantised>& parts, int64_t n, int32_t group) {
  std::vector<const int8_t*> values;
  std::vector<const float*> scales;
  for (const Quantised& part : parts) {
    values.push_back(part.values.data());
    scales.push_back(part.scales.data());
  }
  std::vector<float> out(n + 1, 7.0f);
  cpu::kernels().sum_int8(values.data(), scales.data(), static_cast<int>(parts.size()), group, out.data(), n);
  CHECK_EQUAL(out[n], 7.0f);
  out.pop_back();
  return out;
}

TEST("an int8 sum is off by at most half a step of each part, at every magnitude and group") {
  auto generator = random(42);
  for (const int32_t group : {1, 7, 32, 128}) {
    for (const int64_t n : {1, 31, 128, 130, 768, 1000}) {
      for (const float scale : {1.0f, 1e30f, 1e-30f, 1e-36f, 1e-39f, 1e-42f, 1e-44f}) {
        const Context context("group " + text(group) + ", " + text(n) + " values of " + text(scale));
        std::vector<std::vector<float>> sources;
        std::vector<Quantised> parts;
        for (int r = 0; r < 3; ++r) {
          sources.push_back(normal(generator, n, scale));
          parts.push_back(quantise(sources.back(), group));
        }
        const std::vector<float> out = sum(parts, n, group);
        for (int64_t i = 0; i < n; ++i) {
          double expected = 0, bound = 0;
          for (const std::vector<float>& source : sources) {
            expected += source[i];
            double amax = 0;
            for (int64_t j = i / group * group; j < std::min(n, (i / group + 1) * group); ++j) {
              amax = std::max(amax, std::abs(static_cast<double>(source[j])));
            }
            bound += amax / 254;
          }
          // The scale is rounded to f32, so 127 steps of it are off by as many ulps; so is the sum itself, and f32 has
          // no steps below 2^-149.
          CHECK_NEAR(out[i], expected, bound * (1 + 1e-4) + 3 * 0x1p-150);
        }
      }
    }
  }
}

TEST("int8 rounds to nearest even, reaches both ends and keeps zeros exact") {
  const Quantised q = quantise({127, -127, 2.5f, 3.5f, -2.5f, 0.5f, 0.49f, 0, 126.5f}, 16);
  const int expected[] = {127, -127, 2, 4, -2, 0, 0, 0, 126};
  CHECK_EQUAL(q.scales[0], 1.0f);
  for (size_t i = 0; i < std::size(expected); ++i) CHECK_EQUAL(static_cast<int>(q.values[i]), expected[i]);
}

TEST("a group of zeros is exact and has scale 0") {
  const Quantised q = quantise(std::vector<float>(300, -0.0f), 128);
  for (int g = 0; g < 3; ++g) CHECK_EQUAL(q.scales[g], 0.0f);
  for (const float value : sum({q, q}, 300, 128)) CHECK_EQUAL(value, 0.0f);
}

TEST("the largest floats stay finite") {
  const float most = std::numeric_limits<float>::max();
  const std::vector<float> in = {most, -most, most / 2};
  const std::vector<float> out = sum({quantise(in, 3)}, 3, 3);
  for (size_t i = 0; i < in.size(); ++i) CHECK_NEAR(out[i], in[i], most / 254.0);
}

TEST("a group that holds NaN or infinity decodes to NaN, and only that group") {
  auto generator = random(44);
  for (const float poison : {std::nanf(""), kInfinity, -kInfinity}) {
    for (const int64_t at : {128, 200, 255}) {
      std::vector<float> in = normal(generator, 400);
      in[at] = poison;
      const Quantised q = quantise(in, 128);
      const std::vector<float> out = sum({quantise(normal(generator, 400), 128), q}, 400, 128);
      for (int64_t i = 0; i < 400; ++i) CHECK_EQUAL(std::isnan(out[i]), i / 128 == 1);
    }
  }
}

}  // namespace
}  // namespace stateline::test
