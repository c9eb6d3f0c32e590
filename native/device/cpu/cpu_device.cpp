// Ops as kernels over a team of threads: each op is cut along what its kernels treat independently, rows for norm,
// gelu_gate and embed, channels for conv1d and the scan, panels for matmul, heads and queries for attention.
#include "device/cpu/cpu_device.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "device/cpu/dispatch.h"
#include "device/cpu/load.h"
#include "device/cpu/matmul.h"
#include "device/cpu/memory.h"
#include "device/cpu/packed_matrix.h"
#include "device/cpu/rows.h"
#include "device/cpu/team.h"
#include "device/row.h"
#include "runtime/error.h"

namespace stateline {
namespace cpu {
namespace {

// Values below which an op is done before another thread has woken.
constexpr int64_t kSerialValues = 8 << 10;

class CpuBuffer final : public Buffer {
 public:
  explicit CpuBuffer(size_t floats) : memory_(floats * sizeof(float)) {}
  float* data() const override { return reinterpret_cast<float*>(memory_.data()); }
  size_t bytes() const override { return memory_.bytes(); }

 private:
  Memory memory_;
};

// Where the checkpoint is mapped.
struct MappedTable final : Table {
  explicit MappedTable(const TensorSlice& slice) : slice(slice) {}
  size_t row_bytes() const override { return slice.columns() * (slice.dtype == DType::f32 ? 4 : 2); }
  size_t bytes() const override { return 0; }

  TensorSlice slice;
};

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(int threads) : kernels_(kernels()), team_(threads), matmul_(kernels_, team_) {}

  int threads() const override { return team_.size(); }
  void on_host(int64_t count, const std::function<void(int64_t item, int thread)>& work) override {
    if (count == 1) return work(0, 0);
    team_.run([&](int part) {
      for (int64_t item = part; item < count; item += team_.size()) work(item, part);
    });
  }

  std::unique_ptr<Buffer> allocate(size_t floats, const char*) override { return std::make_unique<CpuBuffer>(floats); }

  std::unique_ptr<Matrix> pack(const TensorSlice& weight, const TensorSlice* bias, ComputeType type) override {
    auto matrix = std::make_unique<PackedMatrix>(kernels_, weight, bias, type, team_, weights_);
    matmul_.reserve(*matrix);
    return matrix;
  }

  void load(const TensorSlice& slice, float* out) override { cpu::load(kernels_, slice, out); }

  std::unique_ptr<Table> keep(const TensorSlice& table) override { return std::make_unique<MappedTable>(table); }

  void upload(View<const float> host, View<float> own) override { copy(host, own); }
  void download(View<const float> own, View<float> host) override { copy(own, host); }
  void clear(View<float> own) override {
    for (int64_t row = 0; row < own.rows; ++row) std::fill_n(own.row(row), own.columns, 0.0f);
  }
  StepInputs stage(StepInputs host) override { return host; }

  void embed(const Table& kept, const int32_t* ids, View<float> out) override {
    const TensorSlice& table = static_cast<const MappedTable&>(kept).slice;
    const int64_t rows = table.rows();
    for (int64_t t = 0; t < out.rows; ++t) {
      if (ids[t] < 0 || ids[t] >= rows) {
        throw Error("E_TOKEN", "token ids lie in 0.." + std::to_string(rows - 1) + ", got " + std::to_string(ids[t]),
                    {{"token", std::to_string(ids[t])}, {"vocabulary", std::to_string(rows)}});
      }
    }
    team_.split(out.rows, grain(out.columns), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        widen(kernels_, table.dtype, RowWalk(table, ids[t]).next(), out.row(t), out.columns);
      }
    });
  }

  void gather(View<const float> in, const int32_t* rows, View<float> out) override {
    for (int64_t i = 0; i < out.rows; ++i) std::copy_n(in.row(rows[i]), out.columns, out.row(i));
  }

  void norm(View<float> residual, View<const float> delta, const float* weight, float epsilon,
            View<float> out) override {
    team_.split(residual.rows, grain(residual.columns), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        kernels_.norm(residual.row(t), delta.empty() ? nullptr : delta.row(t), weight, epsilon, out.row(t),
                      residual.columns);
      }
    });
  }

  void norm_sum(View<const float> a, View<const float> b, const float* weight, float epsilon,
                View<float> out) override {
    team_.split(a.rows, grain(a.columns), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        kernels_.add(a.row(t), b.row(t), out.row(t), a.columns);
        kernels_.norm(out.row(t), nullptr, weight, epsilon, out.row(t), a.columns);
      }
    });
  }

  void norm_pair(View<float> residual, View<const float> delta, View<const float> other, const float* weight,
                 float epsilon, View<float> out) override {
    team_.split(residual.rows, grain(out.columns), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        if (!delta.empty()) kernels_.add(residual.row(t), delta.row(t), residual.row(t), residual.columns);
        std::copy_n(residual.row(t), residual.columns, out.row(t));
        std::copy_n(other.row(t), other.columns, out.row(t) + residual.columns);
        kernels_.norm(out.row(t), nullptr, weight, epsilon, out.row(t), out.columns);
      }
    });
  }

  void matmul(const Matrix& weight, View<const float> in, View<float> out) override {
    matmul_(static_cast<const PackedMatrix&>(weight), in, out);
  }

  void matmul_to_host(const Matrix& weight, View<const float> in, View<float> out) override { matmul(weight, in, out); }

  int32_t most_largest() const override { return row::kMostLargest; }
  void largest_to_host(const Matrix& weight, View<const float> in, View<float> values, View<int32_t> columns) override {
    const int64_t count = weight.rows();
    const size_t bytes = in.rows * count * sizeof(float);
    if (bytes > product_.bytes()) product_ = Memory(bytes);
    const View<float> all{reinterpret_cast<float*>(product_.data()), in.rows, count, count};
    matmul(weight, in, all);
    team_.split(in.rows, grain(count), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        row::largest(all.row(t), count, values.columns, values.row(t), columns.row(t));
      }
    });
  }

  void conv1d(const ConvParameters& conv, View<const float> x, Segments segments, ConvState state,
              View<float> out) override {
    team_.split(x.columns, channel_grain(x.rows, x.columns, conv.taps), [&](int64_t begin, int64_t end) {
      for (const Segment& segment : segments) {
        kernels_.conv1d({.weight = conv.weight,
                         .bias = conv.bias,
                         .taps = conv.taps,
                         .channels = x.columns,
                         .x = x.row(segment.begin),
                         .x_stride = x.stride,
                         .state = state.data + segment.slot * state.slot_stride,
                         .out = out.row(segment.begin),
                         .out_stride = out.stride,
                         .tokens = segment.length},
                        begin, end);
      }
    });
  }

  void selective_scan(const ScanParameters& scan, View<const float> u, View<const float> delta, View<const float> b,
                      View<const float> c, View<const float> z, Segments segments, SsmState state,
                      View<float> out) override {
    team_.split(u.columns, channel_grain(u.rows, u.columns, scan.states), [&](int64_t begin, int64_t end) {
      for (const Segment& segment : segments) {
        const int64_t row = segment.begin;
        kernels_.scan({.a = scan.a,
                       .d = scan.d,
                       .states = scan.states,
                       .channels = u.columns,
                       .u = u.row(row),
                       .u_stride = u.stride,
                       .delta = delta.row(row),
                       .delta_stride = delta.stride,
                       .b = b.row(row),
                       .b_stride = b.stride,
                       .c = c.row(row),
                       .c_stride = c.stride,
                       .z = z.row(row),
                       .z_stride = z.stride,
                       .state = state.data + segment.slot * state.slot_stride,
                       .out = out.row(row),
                       .out_stride = out.stride,
                       .tokens = segment.length},
                      begin, end);
      }
    });
  }

  void attention(const AttentionParameters& attention, View<const float> q, View<const float> k, View<const float> v,
                 Segments segments, KvCache cache, View<float> out) override {
    const int64_t group = attention.heads / attention.kv_heads, dim = attention.head_dim;
    for (const Segment& segment : segments) {
      float* keys = cache.keys + segment.slot * cache.slot_stride;
      float* values = cache.values + segment.slot * cache.slot_stride;
      for (int64_t t = 0; t < segment.length; ++t) {
        const int64_t at = (segment.position + t) * k.columns;
        std::copy_n(k.row(segment.begin + t), k.columns, keys + at);
        std::copy_n(v.row(segment.begin + t), v.columns, values + at);
      }
      // Later queries see more keys: blocks of a few are dealt out, so that the threads' shares differ little.
      const int64_t blocks = (segment.length + kQueryBlock - 1) / kQueryBlock;
      const int64_t items = attention.heads * blocks;
      const auto run = [&](int64_t item) {
        const int64_t head = item % attention.heads, first = item / attention.heads * kQueryBlock;
        const int64_t column = head / group * dim, row = segment.begin + first;
        kernels_.attention({.q = q.row(row) + head * dim,
                            .q_stride = q.stride,
                            .keys = keys + column,
                            .values = values + column,
                            .cache_stride = k.columns,
                            .head_dim = dim,
                            .scale = attention.scale,
                            .position = segment.position + first,
                            .tokens = std::min<int64_t>(kQueryBlock, segment.length - first),
                            .out = out.row(row) + head * dim,
                            .out_stride = out.stride});
      };
      if (items * (segment.position + segment.length) * dim < kSerialValues) {
        for (int64_t item = 0; item < items; ++item) run(item);
      } else {
        team_.run([&](int part) {
          for (int64_t item = part; item < items; item += team_.size()) run(item);
        });
      }
    }
  }

  void gelu_gate(View<const float> gate, View<const float> up, View<float> out) override {
    team_.split(gate.rows, grain(gate.columns), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) kernels_.gelu_gate(gate.row(t), up.row(t), out.row(t), gate.columns);
    });
  }

 private:
  static constexpr int64_t kQueryBlock = 16;

  static void copy(View<const float> from, View<float> to) {
    for (int64_t row = 0; row < from.rows; ++row) std::copy_n(from.row(row), from.columns, to.row(row));
  }

  // Rows that are worth a thread.
  static int64_t grain(int64_t columns) { return std::max<int64_t>(1, kSerialValues / std::max<int64_t>(1, columns)); }

  // Channels a share is a multiple of: one block, or all of them where the op is small.
  int64_t channel_grain(int64_t tokens, int64_t channels, int64_t each) const {
    return tokens * channels * each < kSerialValues ? std::max<int64_t>(1, channels) : kernels_.channel_block;
  }

  const Kernels& kernels_;
  Arena weights_;
  Team team_;
  Matmul matmul_;  // after the team it uses
  Memory product_;
};

}  // namespace
}  // namespace cpu

std::unique_ptr<Device> make_cpu_device(int threads) {
  constexpr int kMost = 1024;
  if (threads < 1 || threads > kMost) {
    throw Error("E_THREADS",
                "threadsPerRank must lie between 1 and " + std::to_string(kMost) + ", got " + std::to_string(threads),
                {{"threadsPerRank", std::to_string(threads)}});
  }
  try {
    return std::make_unique<cpu::CpuDevice>(threads);
  } catch (const std::system_error& error) {
    throw Error("E_THREADS", "the system starts no " + std::to_string(threads) + " threads: " + error.what(),
                {{"threadsPerRank", std::to_string(threads)}});
  }
}

}  // namespace stateline
