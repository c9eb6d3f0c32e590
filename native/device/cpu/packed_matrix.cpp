#include "device/cpu/packed_matrix.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "device/cpu/load.h"
#include "device/cpu/rows.h"
#include "device/finite.h"

namespace stateline::cpu {

namespace {

int64_t words_of(ComputeType type, int64_t columns) {
  const int64_t neighbours = type == ComputeType::f32 ? 1 : type == ComputeType::bf16 ? 2 : 4;
  return (columns + neighbours - 1) / neighbours;
}

}  // namespace

PackedMatrix::PackedMatrix(const Kernels& kernels, const TensorSlice& weight, const TensorSlice* bias, ComputeType type,
                           Team& team, Arena& arena)
    : rows_(weight.rows()),
      columns_(weight.columns()),
      type_(type),
      panel_(kernels.panel),
      words_(words_of(type, columns_)),
      panels_(arena.take(static_cast<size_t>(panels() * panel_bytes(words_)))),
      bias_(bias ? static_cast<size_t>(panels() * panel_) * sizeof(float) : 0) {
  const Interleave interleave = kernels.interleave_weights[static_cast<int>(weight.dtype)][static_cast<int>(type)];
  std::vector<std::vector<const void*>> sources(team.size(), std::vector<const void*>(panel_));
  std::atomic<bool> all_finite{true};
  team.run([&](int part) {
    const void** rows = sources[part].data();
    const int64_t begin = panels() * part / team.size(), end = panels() * (part + 1) / team.size();
    RowWalk walk(weight, begin * panel_);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t count = std::min(panel_, rows_ - index * panel_);
      for (int64_t i = 0; i < count; ++i) {
        const std::byte* row = walk.next();
        if (!finite(weight.dtype, row, columns_)) all_finite = false;
        rows[i] = row;
      }
      interleave(rows, count, columns_, panel_, panels_.data() + index * panel_bytes(words_));
    }
  });
  if (!all_finite) throw NotFinite();
  if (bias) load(kernels, *bias, reinterpret_cast<float*>(bias_.data()));
}

}  // namespace stateline::cpu
