#include "addon/spec.h"

#include <utility>

#include "addon/arguments.h"
#include "runtime/error.h"

namespace stateline::addon {
namespace {

template <class Enum>
struct Choice {
  const char* text;
  Enum value;
};

template <class Enum, size_t count>
Enum choice_at(const Napi::Object& object, const char* name, const Choice<Enum> (&choices)[count]) {
  const std::string text = string_at(object, name);
  std::string known;
  for (const auto& choice : choices) {
    if (text == choice.text) return choice.value;
    known += (known.empty() ? "" : ", ") + std::string(choice.text);
  }
  throw Error("E_OPTION", std::string(name) + " must be one of " + known + ", got " + text,
              {{"option", name}, {"value", text}});
}

constexpr Choice<DType> kDTypes[] = {{"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}};
constexpr Choice<ComputeType> kComputeTypes[] = {
    {"f32", ComputeType::f32}, {"bf16", ComputeType::bf16}, {"int8", ComputeType::int8}, {"f16", ComputeType::f16}};
constexpr Choice<DeviceKind> kDevices[] = {{"cpu", DeviceKind::cpu}, {"cuda", DeviceKind::cuda}};
constexpr Choice<GpuLink> kGpuLinks[] = {
    {"auto", GpuLink::automatic}, {"peer", GpuLink::peer}, {"nccl", GpuLink::nccl}};
constexpr Choice<WireType> kWireTypes[] = {
    {"f32", WireType::f32}, {"f16", WireType::f16}, {"bf16", WireType::bf16}, {"int8", WireType::int8}};

// each(object) for the objects of an array.
template <class Each>
void for_each_object(const Napi::Array& array, const char* name, Each each) {
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(array.Env());
    const Napi::Value value = array.Get(i);
    if (!value.IsObject()) throw Error("E_OPTION", std::string(name) + " must hold objects", {{"option", name}});
    each(value.As<Napi::Object>());
  }
}

RankSlice rank_slice(const Napi::Object& from) {
  RankSlice slice;
  for_each_object(array_at(from, "rows"), "rows", [&](const Napi::Object& run) {
    slice.rows.push_back({integer_at(run, "begin"), integer_at(run, "end"), integer_at(run, "step")});
  });
  slice.column_begin = integer_at(from, "columnBegin");
  slice.column_end = integer_at(from, "columnEnd");
  return slice;
}

EngineTensor tensor(const Napi::Object& from) {
  EngineTensor tensor;
  const std::string role = string_at(from, "role");
  if (const auto known = role_of(role)) {
    tensor.role = *known;
  } else {
    throw Error("E_OPTION", "no tensor has the role " + role, {{"option", "role"}, {"value", role}});
  }
  tensor.layer = int_at(from, "layer");
  // Negative ones become too large, which the runtime refuses.
  tensor.file = static_cast<size_t>(integer_at(from, "file"));
  tensor.byte_offset = static_cast<uint64_t>(integer_at(from, "byteOffset"));
  tensor.dtype = choice_at(from, "dtype", kDTypes);
  tensor.rows = integer_at(from, "rows");
  tensor.columns = integer_at(from, "columns");
  for_each_object(array_at(from, "ranks"), "ranks",
                  [&](const Napi::Object& slice) { tensor.ranks.push_back(rank_slice(slice)); });
  return tensor;
}

}  // namespace

EngineSpec engine_spec(const Napi::Object& from) {
  EngineSpec spec;
  const auto files = array_at(from, "files");
  for (uint32_t i = 0; i < files.Length(); ++i) {
    const Napi::Value file = files.Get(i);
    if (!file.IsString()) throw Error("E_OPTION", "files must hold strings", {{"option", "files"}});
    spec.files.push_back(file.As<Napi::String>());
  }
  for_each_object(array_at(from, "tensors"), "tensors",
                  [&](const Napi::Object& each) { spec.tensors.push_back(tensor(each)); });
  spec.shape.hidden = integer_at(from, "hidden");
  spec.shape.inner = integer_at(from, "inner");
  spec.shape.states = integer_at(from, "states");
  spec.shape.taps = integer_at(from, "taps");
  spec.shape.dt_rank = integer_at(from, "dtRank");
  spec.shape.layers = integer_at(from, "layers");
  spec.shape.vocabulary = integer_at(from, "vocabulary");
  spec.shape.epsilon = static_cast<float>(number_at(from, "epsilon"));
  spec.shape.mixer_heads = integer_at(from, "mixerHeads");
  spec.shape.ssm_epsilon = static_cast<float>(number_at(from, "ssmEpsilon"));
  spec.shape.hybrid_layers = integer_at(from, "hybridLayers");
  spec.shape.kv_heads = integer_at(from, "kvHeads");
  spec.shape.head_dim = integer_at(from, "headDim");
  spec.shape.context = integer_at(from, "contextLength");
  spec.ranks = int_at(from, "ranks");
  spec.threads_per_rank = int_at(from, "threadsPerRank");
  spec.device = choice_at(from, "device", kDevices);
  const auto gpus = array_at(from, "gpus");
  for (uint32_t i = 0; i < gpus.Length(); ++i) spec.gpus.push_back(gpus.Get(i).ToNumber().Int32Value());
  spec.gpu_link = choice_at(from, "gpuLink", kGpuLinks);
  spec.compute_type = choice_at(from, "computeType", kComputeTypes);
  spec.wires.steps.clear();
  for_each_object(array_at(from, "wires"), "wires", [&](const Napi::Object& step) {
    spec.wires.steps.push_back({integer_at(step, "fromBytes"), choice_at(step, "wireType", kWireTypes)});
  });
  spec.wires.group = int_at(from, "quantisationGroup");
  spec.overlap = boolean_at(from, "overlap");
  spec.max_tokens = integer_at(from, "maxTokens");
  spec.slots = int_at(from, "slots");
  spec.cache_bytes = integer_at(from, "cacheBytes");
  spec.cache_interval = integer_at(from, "cacheInterval");
  spec.verify_collectives = boolean_at(from, "verifyCollectives");
  spec.collective_timeout_ms = integer_at(from, "collectiveTimeoutMs");
  return spec;
}

AllReduceTimerSpec all_reduce_timer_spec(const Napi::Object& from) {
  AllReduceTimerSpec spec;
  spec.ranks = int_at(from, "ranks");
  spec.threads_per_rank = int_at(from, "threadsPerRank");
  spec.group = int_at(from, "group");
  spec.rounds = int_at(from, "rounds");
  spec.most_ms = integer_at(from, "mostMs");
  for (const int32_t count : tokens_at(from, "values")) spec.values.push_back(count);
  for_each_object(array_at(from, "wires"), "wires",
                  [&](const Napi::Object& wire) { spec.wires.push_back(choice_at(wire, "wireType", kWireTypes)); });
  return spec;
}

}  // namespace stateline::addon
