// What this machine can do at best with some threads, against which ops are measured.
#pragma once

#include <array>
#include <atomic>

namespace stateline::cpu {

struct Floors {
  double read_bytes_per_second = 0;             // memory larger than any cache
  std::array<double, 3> flops_per_second = {};  // by ComputeType, from registers alone
  double states_per_second = 0;                 // of a scan, from registers alone
};

// Medians of a few rounds that take the figures in turn: some 0.2 s. Throws E_MEMORY, and E_ABORTED soon after
// `cancelled` is set.
Floors measure_floors(int threads, const std::atomic<bool>& cancelled);

}  // namespace stateline::cpu
