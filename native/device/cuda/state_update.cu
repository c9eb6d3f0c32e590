#include "device/cuda/state_update.cuh"

namespace stateline::cuda {

cudaError_t state_update(const Scan& scan, View<const float> dt, const Weights& dt_proj, const float* dt_bias,
                         DeviceSegments segments, cudaStream_t stream) {
  if (segments.count == 0 || scan.u.columns == 0) return cudaSuccess;
  if (segments.longest > 1 || dt.columns > kDtRank || dt_proj.columns != dt.columns || dt_proj.rows != scan.u.columns) {
    return cudaErrorInvalidValue;
  }
  const DtProjection projection{dt, dt_proj.data, dt_proj.stride, dt_bias};
  return with_type(dt_proj.type,
                   [&](auto type) { return state_update_of<decltype(type)>(scan, projection, segments, stream); });
}

}  // namespace stateline::cuda
