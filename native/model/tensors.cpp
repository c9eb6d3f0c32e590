#include "model/tensors.h"

#include <array>
#include <string>

#include "runtime/error.h"

namespace stateline {
namespace {

constexpr std::array<std::string_view, 27> kNames = {
    "embed",  "norm",        "in_proj.x",     "in_proj.x.bias", "in_proj.z",    "in_proj.z.bias",
    "conv1d", "conv1d.bias", "x_proj",        "dt_proj",        "dt_proj.bias", "A_log",
    "D",      "out_proj",    "out_proj.bias", "norm_f",         "lm_head",      "attention_norm",
    "q_proj", "k_proj",      "v_proj",        "o_proj",         "mlp.norm",     "mlp.gate",
    "mlp.up", "mlp.down",    "hybrid_linear"};
static_assert(kNames.size() == static_cast<size_t>(Role::hybrid_linear) + 1);

std::string describe(Role role, int layer) {
  const std::string name(name_of(role));
  return layer < 0 ? name : name + " of layer " + std::to_string(layer);
}

std::map<std::string, std::string> details(Role role, int layer) {
  return {{"tensor", std::string(name_of(role))}, {"layer", std::to_string(layer)}};
}

}  // namespace

std::string_view name_of(Role role) { return kNames[static_cast<size_t>(role)]; }

std::optional<Role> role_of(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Role>(i);
  }
  return std::nullopt;
}

void TensorTable::add(Role role, int layer, TensorSlice slice) {
  if (!slices_.emplace(std::pair(role, layer), std::move(slice)).second) {
    throw Error("E_PLAN", "the plan lists " + describe(role, layer) + " twice", details(role, layer));
  }
}

const TensorSlice* TensorTable::find(Role role, int layer) const {
  const auto found = slices_.find({role, layer});
  return found == slices_.end() || found->second.empty() ? nullptr : &found->second;
}

const TensorSlice* TensorTable::optional(Role role, int layer, int64_t rows, int64_t columns) const {
  const TensorSlice* slice = find(role, layer);
  if (slice && (slice->rows() != rows || slice->columns() != columns)) {
    auto values = details(role, layer);
    const std::string expected = std::to_string(rows) + " × " + std::to_string(columns);
    const std::string got = std::to_string(slice->rows()) + " × " + std::to_string(slice->columns());
    values["expected"] = expected;
    values["got"] = got;
    throw Error("E_TENSOR_SHAPE", describe(role, layer) + " must be " + expected + " on this rank, got " + got, values);
  }
  return slice;
}

const TensorSlice& TensorTable::require(Role role, int layer, int64_t rows, int64_t columns) const {
  const TensorSlice* slice = optional(role, layer, rows, columns);
  if (!slice) {
    throw Error("E_TENSOR_MISSING", "the checkpoint has no " + describe(role, layer), details(role, layer));
  }
  return *slice;
}

}  // namespace stateline
