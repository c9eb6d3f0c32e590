#include "device/cuda/cublas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "device/cuda/check.h"
#include "runtime/error.h"

namespace stateline::cuda {
namespace {

constexpr int kLeastMajor = 12;

constexpr const char* kAdvice = "pip install nvidia-cublas, or set STATELINE_CUBLAS=off to do without";

// libraryPropertyType, cublasOperation_t, cudaDataType, cublasComputeType_t and cublasGemmAlgo_t.
constexpr int kVersionParts[] = {0, 1, 2};
constexpr int kNone = 0, kTransposed = 1;
constexpr int kF32 = 0, kF16 = 2, kBf16 = 14;
constexpr int kComputeF32 = 68;
constexpr int kDefault = -1;

int type_of(DType type) { return type == DType::f32 ? kF32 : type == DType::f16 ? kF16 : kBf16; }

// What cuBLAS's documentation of cublasSetWorkspace recommends: 32 MiB since Hopper, 4 MiB before.
size_t workspace_bytes() {
  int gpu = 0, major = 0;
  check(cudaGetDevice(&gpu), "asking for the GPU");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu), "asking for the GPU's architecture");
  return size_t{major >= 9 ? 32u : 4u} << 20;
}

}  // namespace

// Libraries are never closed: cuBLAS keeps threads and memory of its own.
std::unique_ptr<const CublasLibrary> CublasLibrary::open() {
  const auto opened = [](void* library, const char* file) {
    return std::unique_ptr<const CublasLibrary>(new CublasLibrary(library, file));
  };
  const char* named = std::getenv("STATELINE_CUBLAS");
  if (named && *named) {
    if (std::string_view(named) == "off") return nullptr;
    if (void* library = dlopen(named, RTLD_NOW | RTLD_LOCAL)) return opened(library, named);
    const char* reason = dlerror();
    throw Error("E_CUBLAS",
                std::string("STATELINE_CUBLAS names no cuBLAS: ") + (reason ? reason : named) + "; " + kAdvice,
                {{"file", named}});
  }
  for (const char* file : {"libcublas.so.13", "libcublas.so.12"}) {
    if (void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL)) return opened(library, file);
  }
  return nullptr;
}

CublasLibrary::CublasLibrary(void* library, std::string file) : file(std::move(file)) {
  Status (*get_property)(int, int*) = nullptr;
  find(library, get_property, "cublasGetProperty");
  find(library, status_text, "cublasGetStatusString");
  int major = 0;
  for (const int part : kVersionParts) {
    int value = 0;
    check(get_property(part, &value), "cublasGetProperty");
    if (part == 0) major = value;
    version += (part == 0 ? "" : ".") + std::to_string(value);
  }
  if (major < kLeastMajor) {
    const std::string least = std::to_string(kLeastMajor) + ".0";
    throw Error("E_CUBLAS_OLD",
                this->file + " is cuBLAS " + version + ", and " + least + " is the oldest that serves; " + kAdvice,
                {{"file", this->file}, {"version", version}, {"least", least}});
  }
  find(library, create, "cublasCreate_v2");
  find(library, destroy, "cublasDestroy_v2");
  find(library, set_stream, "cublasSetStream_v2");
  find(library, set_workspace, "cublasSetWorkspace_v2");
  find(library, gemm, "cublasGemmEx");
}

template <class Function>
void CublasLibrary::find(void* library, Function*& function, const char* symbol) const {
  function = reinterpret_cast<Function*>(dlsym(library, symbol));
  if (function) return;
  throw Error("E_CUBLAS", file + " has no " + symbol + ", so it is not a cuBLAS that serves; " + kAdvice,
              {{"file", file}, {"symbol", symbol}});
}

void CublasLibrary::check(Status status, const char* what) const {
  if (status == 0) return;
  check_served(what);
  throw Error("E_CUBLAS", std::string(what) + " failed: " + status_text(status) + "; load the model again",
              {{"file", file}, {"what", what}, {"number", std::to_string(status)}});
}

std::unique_ptr<Cublas> Cublas::open(cudaStream_t stream) {
  auto library = CublasLibrary::open();
  return library ? std::unique_ptr<Cublas>(new Cublas(std::move(library), stream)) : nullptr;
}

Cublas::Cublas(std::unique_ptr<const CublasLibrary> library, cudaStream_t stream)
    : library_(std::move(library)), workspace_(workspace_bytes(), "cuBLAS's products") {
  library_->check(library_->create(&handle_), "cublasCreate");
  try {
    library_->check(library_->set_stream(handle_, stream), "cublasSetStream");
    // After the stream, which takes a handle's workspace away.
    library_->check(library_->set_workspace(handle_, workspace_.data(), workspace_.bytes()), "cublasSetWorkspace");
  } catch (...) {
    library_->destroy(handle_);
    throw;
  }
}

Cublas::~Cublas() {
  if (!gpu_hangs()) library_->destroy(handle_);  // it waits for the GPU
}

// cuBLAS counts columns first: what is a row here is a column there, and out comes transposed as W · inᵀ.
void Cublas::product(const Weights& weight, const void* in, int64_t stride, View<float> out) const {
  const float one = 1, zero = 0;
  const int type = type_of(weight.type);
  library_->check(library_->gemm(handle_, kTransposed, kNone, static_cast<int>(weight.rows), static_cast<int>(out.rows),
                                 static_cast<int>(weight.columns), &one, weight.data, type,
                                 static_cast<int>(weight.stride), in, type, static_cast<int>(stride), &zero, out.data,
                                 kF32, static_cast<int>(out.stride), kComputeF32, kDefault),
                  "cublasGemmEx");
}

}  // namespace stateline::cuda
