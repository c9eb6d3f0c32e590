// Every op of device/device.h as its formula says, in double precision and plain loops: what all devices are tested
// against. Dense row-major arrays.
#pragma once

#include <cstdint>
#include <vector>

namespace stateline::reference {

using Values = std::vector<double>;

double softplus(double x);
double silu(double x);

// [tokens, rows] = in [tokens, columns] · weight [rows, columns]ᵀ + bias [rows] (or empty).
Values matmul(const Values& in, const Values& weight, const Values& bias, int64_t tokens, int64_t rows,
              int64_t columns);

// As matmul of absolute values: the scale of each output's rounding error.
Values matmul_scale(Values in, Values weight, int64_t tokens, int64_t rows, int64_t columns);

// One segment. weight [taps, channels], x [tokens, channels]; state [taps - 1, channels] is carried on.
Values conv1d(const Values& weight, const Values& bias, int64_t taps, int64_t channels, const Values& x, Values& state);

// One segment. a [states, channels] as ScanParameters has it; state [states, channels] is carried on.
Values selective_scan(const Values& a, const Values& d, int64_t states, int64_t channels, const Values& u,
                      const Values& delta, const Values& b, const Values& c, const Values& z, Values& state);

// Adds delta (or nothing, if empty) to residual and returns the normed row; weight empty means ones.
Values norm(Values& residual, const Values& delta, const Values& weight, double epsilon);

// x·Φ(x)
double gelu(double x);

// One head of one sequence: query t of `q` [queries, dim] attends to the first position + t + 1 of `k`, `v` [keys,
// dim].
Values attention(const Values& q, const Values& k, const Values& v, int64_t dim, int64_t position, double scale);

}  // namespace stateline::reference
