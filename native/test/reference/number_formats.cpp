#include "test/reference/number_formats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace stateline::reference {
namespace {

double decode(uint16_t value, int exponent_bits, int fraction_bits) {
  const int exponent = (value >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = value & ((1 << fraction_bits) - 1);
  const double sign = value >> 15 ? -1 : 1;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  const double significand = std::ldexp(fraction, -fraction_bits) + (exponent ? 1 : 0);
  return sign * std::ldexp(significand, (exponent ? exponent : 1) - bias);
}

// Positive numbers of one format are ordered as their bits are, so the nearest one is found by halving.
uint16_t encode(float value, uint16_t infinity, double (*decode_value)(uint16_t)) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  if (std::isnan(value)) return static_cast<uint16_t>(infinity | 1 | sign);
  const double magnitude = std::abs(static_cast<double>(value));
  uint16_t low = 0, high = infinity;  // decode(low) ≤ magnitude, and high is the first above it or infinity
  while (high - low > 1) {
    const auto middle = static_cast<uint16_t>((low + high) / 2);
    (decode_value(middle) <= magnitude ? low : high) = middle;
  }
  const double below = decode_value(low);
  // What stands for infinity in rounding is the next power of two.
  const double above = high == infinity ? 2 * below - decode_value(static_cast<uint16_t>(low - 1)) : decode_value(high);
  const double up = above - magnitude, down = magnitude - below;
  const bool round_up = up < down || (up == down && low % 2 == 1);
  return static_cast<uint16_t>((round_up ? high : low) | sign);
}

}  // namespace

double decode_f16(uint16_t value) { return decode(value, 5, 10); }
double decode_bf16(uint16_t value) { return decode(value, 8, 7); }

uint16_t encode_f16(float value) { return encode(value, 0x7c00, decode_f16); }
uint16_t encode_bf16(float value) { return encode(value, 0x7f80, decode_bf16); }

Quantised int8(const std::vector<double>& rows, int64_t columns, int64_t group) {
  Quantised out{rows, std::vector<double>(rows.size())};
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t column = static_cast<int64_t>(i) % columns;
    const size_t begin = i - column % group, end = i - column + std::min(columns, column / group * group + group);
    double most = 0;
    for (size_t k = begin; k < end; ++k) most = std::max(most, std::abs(rows[k]));
    if (most == 0) continue;
    const double step = most / 127, steps = rows[i] / step;
    out.values[i] = std::nearbyint(steps) * step;
    if (std::abs(std::abs(steps - std::floor(steps)) - 0.5) < 1e-4) out.doubt[i] = step;
  }
  return out;
}

double stored(DType type, float value) {
  switch (type) {
    case DType::f16:
      return decode_f16(encode_f16(value));
    case DType::bf16:
      return decode_bf16(encode_bf16(value));
    default:
      return value;
  }
}

}  // namespace stateline::reference
