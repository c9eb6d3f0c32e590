#include "test/reference/ops.h"

#include <algorithm>
#include <cmath>

namespace stateline::reference {

double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

double silu(double x) { return x / (1 + std::exp(-x)); }

Values matmul(const Values& in, const Values& weight, const Values& bias, int64_t tokens, int64_t rows,
              int64_t columns) {
  Values out(tokens * rows);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t r = 0; r < rows; ++r) {
      double total = bias.empty() ? 0 : bias[r];
      for (int64_t k = 0; k < columns; ++k) total += in[t * columns + k] * weight[r * columns + k];
      out[t * rows + r] = total;
    }
  }
  return out;
}

Values matmul_scale(Values in, Values weight, int64_t tokens, int64_t rows, int64_t columns) {
  for (double& value : in) value = std::abs(value);
  for (double& value : weight) value = std::abs(value);
  return matmul(in, weight, {}, tokens, rows, columns);
}

Values conv1d(const Values& weight, const Values& bias, int64_t taps, int64_t channels, const Values& x,
              Values& state) {
  Values inputs = state;
  inputs.insert(inputs.end(), x.begin(), x.end());
  const int64_t tokens = static_cast<int64_t>(x.size()) / channels;
  Values out(x.size());
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t c = 0; c < channels; ++c) {
      double total = bias.empty() ? 0 : bias[c];
      for (int64_t k = 0; k < taps; ++k) total += weight[k * channels + c] * inputs[(t + k) * channels + c];
      out[t * channels + c] = silu(total);
    }
  }
  state.assign(inputs.end() - (taps - 1) * channels, inputs.end());
  return out;
}

Values selective_scan(const Values& a, const Values& d, int64_t states, int64_t channels, const Values& u,
                      const Values& delta, const Values& b, const Values& c, const Values& z, Values& state) {
  const int64_t tokens = static_cast<int64_t>(u.size()) / channels;
  Values out(u.size());
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      const int64_t i = t * channels + channel;
      const double dt = softplus(delta[i]);
      double y = d[channel] * u[i];
      for (int64_t n = 0; n < states; ++n) {
        double& s = state[n * channels + channel];
        s = std::exp2(dt * a[n * channels + channel]) * s + dt * u[i] * b[t * states + n];
        y += s * c[t * states + n];
      }
      out[i] = y * silu(z[i]);
    }
  }
  return out;
}

Values norm(Values& residual, const Values& delta, const Values& weight, double epsilon) {
  const size_t n = residual.size();
  double squares = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!delta.empty()) residual[i] += delta[i];
    squares += residual[i] * residual[i];
  }
  const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
  Values out(n);
  for (size_t i = 0; i < n; ++i) out[i] = residual[i] * scale * (weight.empty() ? 1 : weight[i]);
  return out;
}

double gelu(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }

Values attention(const Values& q, const Values& k, const Values& v, int64_t dim, int64_t position, double scale) {
  const int64_t queries = static_cast<int64_t>(q.size()) / dim;
  Values out(q.size());
  for (int64_t t = 0; t < queries; ++t) {
    const int64_t keys = position + t + 1;
    Values weights(keys);
    double most = -INFINITY, total = 0;
    for (int64_t key = 0; key < keys; ++key) {
      for (int64_t i = 0; i < dim; ++i) weights[key] += q[t * dim + i] * k[key * dim + i] * scale;
      most = std::max(most, weights[key]);
    }
    for (double& weight : weights) total += weight = std::exp(weight - most);
    for (int64_t key = 0; key < keys; ++key) {
      for (int64_t i = 0; i < dim; ++i) out[t * dim + i] += weights[key] / total * v[key * dim + i];
    }
  }
  return out;
}

}  // namespace stateline::reference
