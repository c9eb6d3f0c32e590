#include "device/cuda/gemv.cuh"

namespace stateline::cuda {
template cudaError_t gemv_of<float>(const Weights&, const float*, View<const float>, View<float>, cudaStream_t);
}
