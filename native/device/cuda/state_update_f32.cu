#include "device/cuda/state_update.cuh"

namespace stateline::cuda {
template cudaError_t state_update_of<float>(const Scan&, const DtProjection&, DeviceSegments, cudaStream_t);
}
