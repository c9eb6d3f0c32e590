#include "device/cuda/check.h"

#include <map>

#include "runtime/error.h"

namespace stateline::cuda {

Whereabouts& here() {
  static thread_local Whereabouts own;
  return own;
}

namespace {

// A capture only refuses calls until it ends.
bool is_of_capture(cudaError_t code) {
  return code >= cudaErrorStreamCaptureUnsupported && code <= cudaErrorStreamCaptureWrongThread;
}

}  // namespace

void check_served(const char* what) {
  const cudaError_t code = cudaFree(nullptr);
  cudaGetLastError();
  if (!is_of_capture(code)) check(code, what);
}

void check(cudaError_t code, const std::string& what) {
  if (code == cudaSuccess) return;
  const std::string name = cudaGetErrorName(code), text = cudaGetErrorString(code);
  std::map<std::string, std::string> details{{"cuda", name}, {"number", std::to_string(static_cast<int>(code))}};
  std::string message;
  if (const Whereabouts& at = here(); at.rank < 0) {
    message = what + ": " + text + " (" + name + ")";
  } else {
    const std::string rank = std::to_string(at.rank), gpu = std::to_string(at.gpu), step = std::to_string(at.step);
    message = "rank " + rank + " on GPU " + gpu + " failed " +
              (at.step < 0 ? "before its first step" : "in step " + step) + ", at or before " + at.op + " (" + what +
              "): " + text + " (" + name + ")";
    details.insert({{"rank", rank}, {"gpu", gpu}, {"step", step}, {"op", at.op}});
  }
  // Some errors end all that this process may do with the GPU, and every call from then on repeats them.
  const bool lost = !is_of_capture(code) && cudaFree(nullptr) == code;
  cudaGetLastError();  // else the next launch would report it again
  message += lost ? "; CUDA serves this process no longer: restart it" : "; load the model again";
  throw Error("E_CUDA", message, details);
}

}  // namespace stateline::cuda
