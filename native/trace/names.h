// Texts of a span's codes, as the run on disk and the page show them.
#pragma once

#include <span>
#include <string_view>

#include "trace/span.h"

namespace stateline {

enum class Kind : uint8_t { scan, conv, gemm, norm, attention, collective, copy, sample, host };

Kind kind_of(Op op);
std::string_view name_of(Op op);
std::string_view name_of(WireType wire);  // "" for none

// By code.
std::span<const std::string_view> op_names();
std::span<const std::string_view> kind_names();
std::span<const std::string_view> phase_names();
std::span<const std::string_view> wire_type_names();
std::span<const std::string_view> algorithm_names();

}  // namespace stateline
