// What an engine is made of: the model's shape, the shard plan, and how to run it. Plain data from TypeScript
// (kernel/api/native.ts has the same fields).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "model/shape.h"
#include "model/tensors.h"
#include "runtime/mapped_file.h"
#include "trace/span.h"

namespace stateline {

// What one rank holds of a stored tensor. No runs: nothing.
struct RankSlice {
  std::vector<RowRun> rows;
  int64_t column_begin = 0;
  int64_t column_end = 0;
};

struct EngineTensor {
  Role role = Role::embed;
  int layer = -1;
  size_t file = 0;
  uint64_t byte_offset = 0;  // of the first byte, from the file's start
  DType dtype = DType::f32;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<RankSlice> ranks;
};

enum class DeviceKind : uint8_t { cpu, cuda };
// How sums travel between GPUs; automatic: NCCL where the GPUs cannot read each other's memory.
enum class GpuLink : uint8_t { automatic, peer, nccl };

struct EngineSpec {
  std::vector<std::string> files;
  std::vector<EngineTensor> tensors;
  ModelShape shape;
  int ranks = 1;
  int threads_per_rank = 1;
  DeviceKind device = DeviceKind::cpu;
  std::vector<int> gpus;  // of each rank, by ordinal; empty: a GPU a rank
  GpuLink gpu_link = GpuLink::automatic;
  ComputeType compute_type = ComputeType::f32;
  WireTable wires;              // of the sums of h values
  bool overlap = true;          // compute z while x_proj's sum is in flight
  int64_t max_tokens = 512;     // longest step
  int slots = 1;                // sequences whose state is kept
  int64_t cache_bytes = 0;      // of states kept for later requests; 0: none are
  int64_t cache_interval = 64;  // tokens between those kept of a prompt
  bool graphs = true;           // decode steps on GPUs as CUDA graphs
  bool verify_collectives = false;
  int64_t collective_timeout_ms = 600'000;  // that a rank waits for others
};

// Throws E_OPTION or E_PLAN, naming what is out of its bounds, before anything is allocated.
void validate(const EngineSpec& spec);

// The slices of `rank`, pointing into `files`. Throws E_CHECKPOINT_TRUNCATED if a tensor ends beyond its file.
TensorTable tensors_of(const EngineSpec& spec, const std::vector<MappedFile>& files, int rank);

}  // namespace stateline
