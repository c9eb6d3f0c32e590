#include "runtime/engine_spec.h"

#include <limits>
#include <string_view>

#include "comm/in_process.h"
#include "runtime/error.h"

namespace stateline {
namespace {

void check_range(std::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error("E_OPTION",
              std::string(name) + " must be " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
                  std::to_string(value),
              {{"option", std::string(name)}, {"value", std::to_string(value)}});
}

std::string describe(const EngineTensor& tensor) {
  const std::string name(name_of(tensor.role));
  return tensor.layer < 0 ? name : name + " of layer " + std::to_string(tensor.layer);
}

[[noreturn]] void refuse(const EngineTensor& tensor, const std::string& what) {
  throw Error("E_PLAN", "the plan's " + describe(tensor) + " " + what,
              {{"tensor", std::string(name_of(tensor.role))}, {"layer", std::to_string(tensor.layer)}});
}

int64_t element_bytes(DType type) { return type == DType::f32 ? 4 : 2; }

void validate(const EngineSpec& spec, const EngineTensor& tensor) {
  if (tensor.file >= spec.files.size()) refuse(tensor, "names a file that is not listed");
  if (tensor.layer < -1 || tensor.layer >= spec.shape.layers) refuse(tensor, "is outside the model's layers");
  // No tensor has 2^48 elements; below that, byte sizes cannot overflow.
  constexpr int64_t kMost = int64_t{1} << 48;
  if (tensor.rows < 1 || tensor.columns < 1 || tensor.rows > kMost / tensor.columns)
    refuse(tensor, "has no sane shape");
  if (tensor.ranks.size() != static_cast<size_t>(spec.ranks)) refuse(tensor, "must have a slice for every rank");
  for (const RankSlice& slice : tensor.ranks) {
    if (slice.rows.empty()) continue;
    if (slice.column_begin < 0 || slice.column_begin > slice.column_end || slice.column_end > tensor.columns) {
      refuse(tensor, "has a slice outside its columns");
    }
    for (const RowRun& run : slice.rows) {
      if (run.begin < 0 || run.step < 1 || run.step > kMost || run.begin > run.end || run.end > tensor.rows) {
        refuse(tensor, "has a slice outside its rows");
      }
    }
  }
}

// Together the ranks must give every column of the logits once.
void validate_head(const EngineTensor& head, int64_t vocabulary) {
  int64_t next = 0;
  for (const RankSlice& slice : head.ranks) {
    for (const RowRun& run : slice.rows) {
      if (run.begin == run.end) continue;
      if (run.begin != next || run.step != 1) refuse(head, "must give the ranks consecutive rows");
      next = run.end;
    }
  }
  if (next != vocabulary) refuse(head, "must give the ranks all " + std::to_string(vocabulary) + " rows");
}

}  // namespace

void validate(const EngineSpec& spec) {
  constexpr int64_t kMost = int64_t{1} << 31;
  const ModelShape& shape = spec.shape;
  check_range("hidden", shape.hidden, 1, kMost);
  check_range("inner", shape.inner, 1, kMost);
  check_range("states", shape.states, 1, 4096);
  check_range("taps", shape.taps, 1, 4096);
  check_range("dtRank", shape.dt_rank, 1, kMost);
  check_range("layers", shape.layers, 1, std::numeric_limits<int16_t>::max());
  check_range("vocabulary", shape.vocabulary, 1, kMost - 1);
  check_range("mixerHeads", shape.mixer_heads, 1, 4096);
  check_range("hybridLayers", shape.hybrid_layers, 0, shape.layers);
  check_range("kvHeads", shape.kv_heads, 0, 1 << 20);
  check_range("headDim", shape.head_dim, 0, 1 << 20);
  check_range("context", shape.context, shape.head_dim > 0 ? 1 : 0, 1 << 24);
  check_range("ranks", spec.ranks, 1, InProcessGroup::kMaxRanks);
  check_range("threadsPerRank", spec.threads_per_rank, 1, 1024);
  check_range("quantisationGroup", spec.wires.group, 1, 1 << 20);
  check_range("wires", static_cast<int64_t>(spec.wires.steps.size()), 1, 64);
  check_range("fromBytes", spec.wires.steps.front().from_bytes, 0, 0);
  for (size_t i = 1; i < spec.wires.steps.size(); ++i) {
    check_range("fromBytes", spec.wires.steps[i].from_bytes, spec.wires.steps[i - 1].from_bytes + 1, kMost);
  }
  check_range("maxTokens", spec.max_tokens, 1, 1 << 20);
  check_range("slots", spec.slots, 1, 1 << 20);
  check_range("cacheBytes", spec.cache_bytes, 0, int64_t{1} << 53);
  check_range("collectiveTimeoutMs", spec.collective_timeout_ms, 1, kMost);
  check_range("cacheInterval", spec.cache_interval, 1, kMost);
  if (!(shape.epsilon > 0)) {
    throw Error("E_OPTION", "epsilon must be above 0, got " + std::to_string(shape.epsilon), {{"option", "epsilon"}});
  }

  if (!(shape.ssm_epsilon >= 0)) {
    throw Error("E_OPTION", "ssmEpsilon must be 0 or more, got " + std::to_string(shape.ssm_epsilon),
                {{"option", "ssmEpsilon"}});
  }
  if (spec.ranks % shape.mixer_heads != 0 && shape.mixer_heads % spec.ranks != 0) {
    throw Error("E_PLAN",
                "ranks must divide the mixer's heads or be a multiple of them, got " + std::to_string(spec.ranks) +
                    " ranks and " + std::to_string(shape.mixer_heads) + " heads",
                {{"ranks", std::to_string(spec.ranks)}, {"mixerHeads", std::to_string(shape.mixer_heads)}});
  }

  bool has_head = false;
  for (const EngineTensor& tensor : spec.tensors) {
    validate(spec, tensor);
    if (tensor.role == Role::lm_head) {
      validate_head(tensor, shape.vocabulary);
      has_head = true;
    }
  }
  if (!has_head) throw Error("E_TENSOR_MISSING", "the plan has no lm_head", {{"tensor", "lm_head"}});
}

TensorTable tensors_of(const EngineSpec& spec, const std::vector<MappedFile>& files, int rank) {
  TensorTable table;
  for (const EngineTensor& tensor : spec.tensors) {
    const MappedFile& file = files[tensor.file];
    const uint64_t bytes = static_cast<uint64_t>(tensor.rows * tensor.columns * element_bytes(tensor.dtype));
    if (tensor.byte_offset > file.size() || bytes > file.size() - tensor.byte_offset) {
      throw Error("E_CHECKPOINT_TRUNCATED",
                  file.path() + " is truncated: " + describe(tensor) + " needs bytes up to " +
                      std::to_string(tensor.byte_offset + bytes) + ", the file has " + std::to_string(file.size()) +
                      "; download it again",
                  {{"file", file.path()},
                   {"tensor", std::string(name_of(tensor.role))},
                   {"layer", std::to_string(tensor.layer)},
                   {"needed", std::to_string(tensor.byte_offset + bytes)},
                   {"size", std::to_string(file.size())}});
    }
    const RankSlice& part = tensor.ranks[rank];
    TensorSlice slice;
    slice.data = file.data() + tensor.byte_offset;
    slice.dtype = tensor.dtype;
    slice.stored_columns = tensor.columns;
    slice.runs = part.rows;
    slice.column_begin = part.column_begin;
    slice.column_end = part.column_end;
    table.add(tensor.role, tensor.layer, std::move(slice));
  }
  return table;
}

}  // namespace stateline
