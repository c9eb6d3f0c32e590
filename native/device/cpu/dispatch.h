// Which table of kernels this process uses: the best that the CPU can run, or the one that STATELINE_ISA names.
#pragma once

#include <string_view>
#include <vector>

#include "device/cpu/kernels.h"

namespace stateline::cpu {

// Chosen at the first call. Throws E_ISA when STATELINE_ISA names a table that is unknown or that this CPU cannot run;
// a later call then tries again.
const Kernels& kernels();

// Name of the chosen table: sse2, avx2, avx512 or avx512bf16.
std::string_view isa_name();

// The tables this CPU can run, best first.
std::vector<std::string_view> available_isas();

}  // namespace stateline::cpu
