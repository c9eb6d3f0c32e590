// The tensors of one rank by their role in the model.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "device/tensor.h"

namespace stateline {

enum class Role : uint8_t {
  embed,
  norm,
  in_proj_x,
  in_proj_x_bias,
  in_proj_z,
  in_proj_z_bias,
  conv1d,
  conv1d_bias,
  x_proj,
  dt_proj,
  dt_proj_bias,
  a_log,
  d,
  out_proj,
  out_proj_bias,
  norm_f,
  lm_head,
  attention_norm,  // of Zamba's shared block, as the ones that follow
  q_proj,
  k_proj,
  v_proj,
  o_proj,
  mlp_norm,
  mlp_gate,
  mlp_up,
  mlp_down,
  hybrid_linear,
};

std::string_view name_of(Role role);
std::optional<Role> role_of(std::string_view name);

// Slices point into mapped files and own nothing.
class TensorTable {
 public:
  // Throws E_PLAN if the role is taken.
  void add(Role role, int layer, TensorSlice slice);

  // Null when the checkpoint has no such tensor, or this rank holds nothing of it. Layer -1: outside layers.
  const TensorSlice* find(Role role, int layer) const;
  // Throws E_TENSOR_MISSING where find gives null, E_TENSOR_SHAPE when the rank's part is not rows × columns.
  const TensorSlice& require(Role role, int layer, int64_t rows, int64_t columns) const;
  // As `require`, but null where find gives null.
  const TensorSlice* optional(Role role, int layer, int64_t rows, int64_t columns) const;

  // visit(role, slice) for each tensor.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, slice] : slices_) visit(key.first, slice);
  }

 private:
  std::map<std::pair<Role, int>, TensorSlice> slices_;
};

}  // namespace stateline
