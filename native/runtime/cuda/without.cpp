// Builds for which no nvcc was found.
#include "runtime/back_end.h"
#include "runtime/cuda/gpus.h"
#include "runtime/error.h"

namespace stateline {
namespace {

constexpr const char* kProblem = "this build has no CUDA; `npm run build:cuda` makes one that has";

}  // namespace

std::unique_ptr<BackEnd> make_cuda_back_end(const EngineSpec&) { throw Error("E_CUDA_NOT_BUILT", kProblem); }

CudaSummary cuda_summary() {
  CudaSummary summary;
  summary.problem = kProblem;
  summary.driver_problem = summary.nccl_problem = summary.cublas_problem = "only a build with CUDA asks for it";
  return summary;
}

}  // namespace stateline
