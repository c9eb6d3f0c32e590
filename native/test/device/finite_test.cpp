#include "device/finite.h"

#include <array>
#include <cstring>
#include <vector>

#include "test/check.h"
#include "test/device/fixture.h"

using namespace stateline;
using namespace stateline::test;

namespace {

struct Format {
  DType type;
  int64_t width;
  std::vector<uint32_t> finite;      // the largest of either sign, subnormals, zeros
  std::vector<uint32_t> not_finite;  // infinities and NaN: quiet, signalling, with every bit of the fraction
};

const std::array<Format, 3> kFormats = {{
    {DType::f32,
     4,
     {0x7f7fffff, 0xff7fffff, 0x007fffff, 0x80000001, 0, 0x80000000},
     {0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff}},
    {DType::f16, 2, {0x7bff, 0xfbff, 0x03ff, 0x8001, 0, 0x8000}, {0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff}},
    {DType::bf16, 2, {0x7f7f, 0xff7f, 0x007f, 0x8001, 0, 0x8000}, {0x7f80, 0xff80, 0x7fc0, 0x7f81, 0xffff}},
}};

}  // namespace

TEST("one value that is not a number is found wherever it is among the largest, the smallest and zero") {
  std::mt19937_64 generator = random(61);
  for (const Format& format : kFormats) {
    for (int64_t count = 1; count < 300; count += between(generator, 1, 7)) {
      const Context context(text(name_of(format.type)) + " of " + text(count));
      std::vector<std::byte> bytes(2 + count * format.width);  // not aligned
      std::byte* values = bytes.data() + 2;
      const auto put = [&](int64_t index, const std::vector<uint32_t>& choice) {
        const uint32_t value = choice[between(generator, 0, static_cast<int64_t>(choice.size()) - 1)];
        std::memcpy(values + index * format.width, &value, format.width);
      };
      for (int64_t i = 0; i < count; ++i) put(i, format.finite);
      CHECK(finite(format.type, values, count));
      const int64_t place = between(generator, 0, count - 1);
      put(place, format.not_finite);
      CHECK(!finite(format.type, values, count));
      CHECK(finite(format.type, values, place));
    }
  }
}
