// Builds with CUDA.
#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <tuple>

#include "comm/cuda/peer_memory.h"
#include "comm/nccl/nccl_group.h"
#include "device/cuda/cublas.h"
#include "device/cuda/cuda_device.h"
#include "device/cuda/gpus.h"
#include "device/cuda/kernels.h"
#include "runtime/back_end.h"
#include "runtime/cuda/event_clock.h"
#include "runtime/cuda/gpus.h"
#include "runtime/cuda/step_graphs.h"
#include "runtime/error.h"

namespace stateline {
namespace {

constexpr const char* kNoCublas =
    "products of many rows use no tensor cores without cuBLAS: pip install nvidia-cublas, and set STATELINE_CUBLAS to "
    "its libcublas.so.13";

// Kernels run on GPUs of the architecture that they were compiled for and on later ones.
void check_gpu(const cuda::Gpu& gpu, int ordinal) {
  if (!gpu.problem.empty()) {
    throw Error("E_CUDA",
                "GPU " + std::to_string(ordinal) + " does not answer: " + gpu.problem +
                    "; choose another with gpus, or device cpu",
                {{"gpu", std::to_string(ordinal)}});
  }
  const int least = std::atoi(STATELINE_CUDA_ARCHITECTURES);  // the list begins with the oldest: "80-real,…"
  if (10 * gpu.major + gpu.minor >= least) return;
  const std::string capability = std::to_string(gpu.major) + "." + std::to_string(gpu.minor);
  const std::string needed = std::to_string(least / 10) + "." + std::to_string(least % 10);
  throw Error("E_GPU_ARCHITECTURE",
              "GPU " + std::to_string(ordinal) + " (" + gpu.name + ") has compute capability " + capability +
                  ", this build's kernels need " + needed + "; choose another with gpus, or device cpu",
              {{"gpu", std::to_string(ordinal)}, {"capability", capability}, {"needed", needed}});
}

// What a kernel would refuse in the middle of a step.
void check_sizes(const EngineSpec& spec) {
  const std::tuple<const char*, int64_t, int64_t> sizes[] = {
      {"states of a channel", spec.shape.states, cuda::kScanStates},
      {"values of dt", spec.shape.dt_rank, cuda::kDtRank},
      {"values of a head", spec.shape.head_dim, cuda::kHeadDim},
      {"slots", spec.slots, cuda::kSegments}};
  for (const auto& [what, size, most] : sizes) {
    if (size <= most) continue;
    throw Error("E_GPU_SIZE",
                "GPUs serve at most " + std::to_string(most) + " " + what + ", got " + std::to_string(size) +
                    "; use device cpu",
                {{"what", what}, {"size", std::to_string(size)}, {"most", std::to_string(most)}});
  }
}

// A GPU a rank, in order, unless the spec names them.
std::vector<int> placement(const EngineSpec& spec) {
  const std::vector<cuda::Gpu> all = cuda::require_gpus().gpus;
  const auto count = static_cast<int>(all.size());
  std::vector<int> gpus = spec.gpus;
  if (gpus.empty()) {
    if (spec.ranks > count) {
      throw Error("E_GPU_COUNT",
                  std::to_string(spec.ranks) + " ranks need as many GPUs, and this machine has " +
                      std::to_string(count) + "; ranks share one where gpus says so, as [0, 0] does",
                  {{"ranks", std::to_string(spec.ranks)}, {"gpus", std::to_string(count)}});
    }
    for (int rank = 0; rank < spec.ranks; ++rank) gpus.push_back(rank);
  }
  if (static_cast<int>(gpus.size()) != spec.ranks) {
    throw Error("E_OPTION",
                "gpus must name a GPU for each of the " + std::to_string(spec.ranks) + " ranks, got " +
                    std::to_string(gpus.size()),
                {{"option", "gpus"}, {"value", std::to_string(gpus.size())}});
  }
  for (const int gpu : gpus) {
    if (gpu < 0 || gpu >= count) {
      throw Error("E_OPTION", "gpus must lie in 0 to " + std::to_string(count - 1) + ", got " + std::to_string(gpu),
                  {{"option", "gpus"}, {"value", std::to_string(gpu)}});
    }
    check_gpu(all[gpu], gpu);
  }
  return gpus;
}

class CudaBackEnd final : public BackEnd {
 public:
  explicit CudaBackEnd(const EngineSpec& spec)
      : spec_(spec),
        gpus_(placement(spec)),
        everyone_(std::make_shared<Rendezvous>(spec.ranks, 0, spins_for(spec.ranks * spec.threads_per_rank),
                                               spec.collective_timeout_ms)),
        graphs_(spec.ranks, apart_up_to()) {
    if (spec.compute_type == ComputeType::int8) {
      throw Error("E_OPTION", "computeType int8 needs device cpu; GPUs compute in f32, f16 or bf16",
                  {{"option", "computeType"}, {"value", "int8"}});
    }
    check_sizes(spec);
  }

  std::unique_ptr<Device> device(int rank) override {
    return make_cuda_device(
        {.rank = rank, .gpu = gpus_[rank], .max_tokens = spec_.max_tokens, .timeout_ms = spec_.collective_timeout_ms});
  }
  std::unique_ptr<Group> group(const InProcessOptions& options) override {
    const std::vector<int> gpus = gpus_of(options.first, options.ranks);
    const int64_t at_once = PeerMemoryGroup::at_once_values(gpus_);
    if (by_peer_memory(options.ranks)) return std::make_unique<PeerMemoryGroup>(options, gpus, at_once, everyone_);
    return std::make_unique<NcclGroup>(options, gpus, everyone_);
  }
  std::unique_ptr<DeviceClock> clock(Device& device) override {
    auto& own = static_cast<CudaDevice&>(device);
    return std::make_unique<cuda::EventClock>(own);
  }

  // Comparing bits needs the host in the middle of a step.
  std::unique_ptr<Repeats> repeats(Device& device, Communicator& communicator) override {
    if (!spec_.graphs || spec_.verify_collectives) return nullptr;
    return graphs_.join(static_cast<CudaDevice&>(device), communicator);
  }

  void reset() override { graphs_.reset(); }

 private:
  std::vector<int> gpus_of(int first, int ranks) const {
    return {gpus_.begin() + first, gpus_.begin() + first + ranks};
  }

  // How groups of so many ranks are connected: all alike, since their ranks come to the same meetings.
  bool by_peer_memory(int ranks) const {
    if (spec_.gpu_link != GpuLink::automatic) return spec_.gpu_link == GpuLink::peer;
    for (int first = 0; first < spec_.ranks; first += ranks) {
      if (!PeerMemoryGroup::serves(gpus_of(first, ranks))) return false;
    }
    return true;
  }

  // Tokens of a step whose sums need no meeting on the host: all of NCCL's, the small ones over peer memory. A large
  // step keeps a GPU busy for longer than the host takes to launch its ops one by one.
  int64_t apart_up_to() const {
    const bool one_group = spec_.shape.mixer_heads == 1 || spec_.ranks <= spec_.shape.mixer_heads;
    if (one_group && !by_peer_memory(spec_.ranks)) return std::numeric_limits<int64_t>::max();
    return PeerMemoryGroup::at_once_values(gpus_) / std::max(spec_.shape.hidden, spec_.shape.x_proj_rows());
  }

  const EngineSpec& spec_;
  std::vector<int> gpus_;  // by rank
  std::shared_ptr<Rendezvous> everyone_;
  cuda::StepGraphs graphs_;
};

}  // namespace

std::unique_ptr<BackEnd> make_cuda_back_end(const EngineSpec& spec) { return std::make_unique<CudaBackEnd>(spec); }

CudaSummary cuda_summary() {
  const cuda::Machine machine = cuda::machine();
  CudaSummary summary;
  summary.compiled = true;
  std::stringstream architectures(STATELINE_CUDA_ARCHITECTURES);
  for (std::string each; std::getline(architectures, each, ',');) summary.architectures.push_back(each);
  summary.problem = machine.problem;
  if (machine.driver > 0) summary.driver = cuda::version_text(machine.driver);
  if (!machine.driver_serves()) summary.driver_problem = machine.problem;
  try {
    summary.nccl = nccl::Library::open()->version();
  } catch (const Error& error) {
    summary.nccl_problem = error.message;
  }
  try {
    const auto cublas = cuda::CublasLibrary::open();
    if (cublas) {
      summary.cublas = cublas->version;
      summary.cublas_file = cublas->file;
    } else {
      summary.cublas_problem = kNoCublas;
    }
  } catch (const Error& error) {
    summary.cublas_problem = error.message;
  }
  for (const cuda::Gpu& gpu : machine.gpus) {
    summary.gpus.push_back({gpu.name, static_cast<int64_t>(gpu.memory),
                            std::to_string(gpu.major) + "." + std::to_string(gpu.minor), gpu.problem});
  }
  return summary;
}

}  // namespace stateline
