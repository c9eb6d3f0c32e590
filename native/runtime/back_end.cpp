#include "runtime/back_end.h"

#include "device/cpu/cpu_device.h"
#include "runtime/error.h"

namespace stateline {
namespace {

class CpuBackEnd final : public BackEnd {
 public:
  explicit CpuBackEnd(const EngineSpec& spec) : spec_(spec) {
    if (spec.compute_type == ComputeType::f16) {
      throw Error("E_OPTION", "computeType f16 needs device cuda; CPUs compute in f32 or bf16",
                  {{"option", "computeType"}, {"value", "f16"}});
    }
  }

  std::unique_ptr<Device> device(int) override { return make_cpu_device(spec_.threads_per_rank); }
  std::unique_ptr<Group> group(const InProcessOptions& options) override {
    return std::make_unique<InProcessGroup>(options);
  }

 private:
  const EngineSpec& spec_;
};

}  // namespace

std::unique_ptr<BackEnd> make_back_end(const EngineSpec& spec) {
  if (spec.device == DeviceKind::cuda) return make_cuda_back_end(spec);
  return std::make_unique<CpuBackEnd>(spec);
}

}  // namespace stateline
