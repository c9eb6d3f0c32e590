// NVIDIA's collectives, opened when they are first needed, so that one program serves machines without them. The
// declarations are those of NCCL's public nccl.h that are used here.
#pragma once

#include <cuda_runtime_api.h>

#include <climits>
#include <cstddef>
#include <memory>
#include <string>

namespace stateline::nccl {

// ncclResult_t, ncclDataType_t and ncclRedOp_t are ints in NCCL's C interface.
using Result = int;
constexpr Result kSuccess = 0, kUnhandledCudaError = 1, kInProgress = 7;
enum class Type : int { bytes = 0, f16 = 6, f32 = 7, bf16 = 9 };
constexpr int kSum = 0;

struct UniqueId {
  char bytes[128];
};
using Comm = struct ncclComm*;

// ncclConfig_t as of 2.18; what later versions have behind it keeps its default, by `size` and `version`.
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = 21803;
  int blocking = 0;  // calls return at once, and may be aborted: others have no time-out
  int cga_cluster_size = INT_MIN, least_blocks = INT_MIN, most_blocks = INT_MIN;
  const char* network = nullptr;
  int split_share = INT_MIN;
};

class Library {
 public:
  // Opens STATELINE_NCCL, or libnccl.so.2 where the system's loader finds it. Throws E_NCCL_MISSING, E_NCCL_OLD and
  // E_NCCL_SYMBOL.
  static std::shared_ptr<const Library> open();

  Result (*get_unique_id)(UniqueId*) = nullptr;
  Result (*comm_init_rank_config)(Comm*, int ranks, UniqueId, int rank, Config*) = nullptr;
  Result (*comm_destroy)(Comm) = nullptr;
  Result (*comm_abort)(Comm) = nullptr;
  Result (*comm_async_error)(Comm, Result*) = nullptr;
  Result (*group_start)() = nullptr;
  Result (*group_end)() = nullptr;
  Result (*all_reduce)(const void*, void*, size_t count, Type, int op, Comm, cudaStream_t) = nullptr;
  Result (*broadcast)(const void*, void*, size_t count, Type, int root, Comm, cudaStream_t) = nullptr;
  Result (*send)(const void*, size_t count, Type, int to, Comm, cudaStream_t) = nullptr;
  Result (*receive)(void*, size_t count, Type, int from, Comm, cudaStream_t) = nullptr;
  const char* (*error_string)(Result) = nullptr;
  const char* (*last_error)(Comm) = nullptr;

  const std::string& version() const { return version_; }  // "2.27.3"
  // Throws E_NCCL with NCCL's own text unless `result` says success, and E_CUDA where CUDA has failed it.
  void check(Result result, const char* what) const;

 private:
  explicit Library(const std::string& file);
  template <class Function>
  void find(Function*& function, const char* symbol);

  void* handle_;  // never closed: NCCL's threads may outlive its communicators
  std::string file_;
  std::string version_;
};

}  // namespace stateline::nccl
