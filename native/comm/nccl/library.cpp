#include "comm/nccl/library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "device/cuda/check.h"
#include "runtime/error.h"

namespace stateline::nccl {
namespace {

constexpr int kLeast = 21803;  // 2.18.3, of CUDA 12.1

constexpr const char* kAdvice =
    "install NCCL: pip install nvidia-nccl-cu13, and set STATELINE_NCCL to its libnccl.so.2";

// NCCL's versions since 2.9: 10000 · major + 100 · minor + patch.
std::string text_of(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

std::shared_ptr<const Library> Library::open() {
  const char* named = std::getenv("STATELINE_NCCL");
  return std::shared_ptr<const Library>(new Library(named && *named ? named : "libnccl.so.2"));
}

Library::Library(const std::string& file) : handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)), file_(file) {
  if (!handle_) {
    const char* reason = dlerror();
    throw Error("E_NCCL_MISSING", std::string("NCCL cannot be opened: ") + (reason ? reason : file) + "; " + kAdvice,
                {{"file", file}});
  }
  Result (*get_version)(int*) = nullptr;
  find(get_version, "ncclGetVersion");
  find(error_string, "ncclGetErrorString");
  int version = 0;
  check(get_version(&version), "asking for the version");
  version_ = text_of(version);
  if (version < kLeast) {
    throw Error("E_NCCL_OLD",
                file + " is NCCL " + version_ + ", and " + text_of(kLeast) + " is the oldest that serves; " + kAdvice,
                {{"file", file}, {"version", version_}, {"least", text_of(kLeast)}});
  }
  find(get_unique_id, "ncclGetUniqueId");
  find(comm_init_rank_config, "ncclCommInitRankConfig");
  find(comm_destroy, "ncclCommDestroy");
  find(comm_abort, "ncclCommAbort");
  find(comm_async_error, "ncclCommGetAsyncError");
  find(group_start, "ncclGroupStart");
  find(group_end, "ncclGroupEnd");
  find(all_reduce, "ncclAllReduce");
  find(broadcast, "ncclBroadcast");
  find(send, "ncclSend");
  find(receive, "ncclRecv");
  find(last_error, "ncclGetLastError");
}

template <class Function>
void Library::find(Function*& function, const char* symbol) {
  function = reinterpret_cast<Function*>(dlsym(handle_, symbol));
  if (function) return;
  throw Error("E_NCCL_SYMBOL", file_ + " has no " + symbol + ", so it is not an NCCL that serves; " + kAdvice,
              {{"file", file_}, {"symbol", symbol}});
}

void Library::check(Result result, const char* what) const {
  if (result == kSuccess || result == kInProgress) return;
  if (result == kUnhandledCudaError) cuda::check_served(what);
  std::string why = error_string(result);
  if (const char* more = last_error ? last_error(nullptr) : nullptr; more && *more)
    why += std::string(" (") + more + ")";
  throw Error("E_NCCL", std::string("NCCL failed in ") + what + ": " + why + "; load the model again",
              {{"what", what}, {"number", std::to_string(result)}});
}

}  // namespace stateline::nccl
