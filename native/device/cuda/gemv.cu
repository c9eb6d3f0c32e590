#include "device/cuda/gemv.cuh"

namespace stateline::cuda {

cudaError_t gemv(const Weights& weight, const float* bias, View<const float> in, View<float> out, cudaStream_t stream) {
  if (in.rows == 0 || weight.rows == 0) return cudaSuccess;
  if (in.rows > kGemvRows || in.columns != weight.columns || out.columns != weight.rows) return cudaErrorInvalidValue;
  return with_type(weight.type, [&](auto type) { return gemv_of<decltype(type)>(weight, bias, in, out, stream); });
}

}  // namespace stateline::cuda
