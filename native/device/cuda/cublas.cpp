#include "device/cuda/cublas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "device/cuda/memory.h"
#include "runtime/error.h"

namespace stateline::cuda {
namespace {

// cublasOperation_t, cudaDataType, cublasComputeType_t and cublasGemmAlgo_t.
constexpr int kNone = 0, kTransposed = 1;
constexpr int kF32 = 0, kF16 = 2, kBf16 = 14;
constexpr int kComputeF32 = 68;
constexpr int kDefault = -1;

struct Opened {
  void* library = nullptr;
  std::string file;
};

Opened open_library() {
  const char* named = std::getenv("STATELINE_CUBLAS");
  if (named && *named) {
    if (std::string_view(named) == "off") return {};
    if (void* library = dlopen(named, RTLD_NOW | RTLD_LOCAL)) return {library, named};
    const char* reason = dlerror();
    throw Error("E_CUBLAS", std::string("STATELINE_CUBLAS names no cuBLAS: ") + (reason ? reason : named),
                {{"file", named}});
  }
  for (const char* file : {"libcublas.so.13", "libcublas.so.12"}) {
    if (void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL)) return {library, file};
  }
  return {};
}

int type_of(DType type) { return type == DType::f32 ? kF32 : type == DType::f16 ? kF16 : kBf16; }

}  // namespace

std::unique_ptr<Cublas> Cublas::open(cudaStream_t stream) {
  Opened found = open_library();
  return found.library ? std::unique_ptr<Cublas>(new Cublas(found.library, std::move(found.file), stream)) : nullptr;
}

std::string Cublas::find() { return open_library().file; }

Cublas::Cublas(void* library, std::string file, cudaStream_t stream) : library_(library), file_(std::move(file)) {
  bind(create_, "cublasCreate_v2");
  bind(destroy_, "cublasDestroy_v2");
  bind(set_stream_, "cublasSetStream_v2");
  bind(gemm_, "cublasGemmEx");
  bind(status_text_, "cublasGetStatusString");
  check(create_(&handle_), "cublasCreate");
  const Status status = set_stream_(handle_, stream);
  if (status != 0) destroy_(handle_);
  check(status, "cublasSetStream");
}

Cublas::~Cublas() {
  if (!gpu_hangs()) destroy_(handle_);  // it waits for the GPU
}

template <class Function>
void Cublas::bind(Function*& function, const char* symbol) {
  function = reinterpret_cast<Function*>(dlsym(library_, symbol));
  if (function) return;
  throw Error("E_CUBLAS",
              file_ + " has no " + symbol + ", so it is not a cuBLAS that serves; STATELINE_CUBLAS=off does without",
              {{"file", file_}, {"symbol", symbol}});
}

void Cublas::check(Status status, const char* what) const {
  if (status == 0) return;
  throw Error("E_CUBLAS", std::string(what) + " failed: " + status_text_(status) + "; load the model again",
              {{"file", file_}, {"what", what}, {"number", std::to_string(status)}});
}

// cuBLAS counts columns first: what is a row here is a column there, and out comes transposed as W · inᵀ.
void Cublas::product(const Weights& weight, const void* in, int64_t stride, View<float> out) const {
  const float one = 1, zero = 0;
  const int type = type_of(weight.type);
  check(gemm_(handle_, kTransposed, kNone, static_cast<int>(weight.rows), static_cast<int>(out.rows),
              static_cast<int>(weight.columns), &one, weight.data, type, static_cast<int>(weight.stride), in, type,
              static_cast<int>(stride), &zero, out.data, kF32, static_cast<int>(out.stride), kComputeF32, kDefault),
        "cublasGemmEx");
}

}  // namespace stateline::cuda
