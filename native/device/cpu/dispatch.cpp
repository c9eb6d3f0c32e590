#include "device/cpu/dispatch.h"

#include <cpuid.h>

#include <cstdlib>
#include <string>

#include "runtime/error.h"

namespace stateline::cpu {

namespace sse2 {
extern const Kernels table;
}
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
namespace avx512bf16 {
extern const Kernels table;
}

namespace {

// Clang's own check does not know it. Its registers are AVX2's.
bool has_f16c() {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

// The compiler's check asks the operating system too: registers it does not save count as absent.
std::vector<const Kernels*> available() {
  std::vector<const Kernels*> tables;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
#if STATELINE_EMULATED_AVX512  // tests' own tables (test/device/emulated)
  const bool avx512 = avx2, bf16 = avx2;
#else
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
#endif
  if (bf16) tables.push_back(&avx512bf16::table);
  if (avx512) tables.push_back(&avx512::table);
  if (avx2) tables.push_back(&avx2::table);
  tables.push_back(&sse2::table);
  return tables;
}

const Kernels& choose() {
  const auto tables = available();
  const char* wanted = std::getenv("STATELINE_ISA");
  if (!wanted || !*wanted) return *tables.front();
  std::string names;
  for (const Kernels* table : tables) {
    if (std::string_view(table->isa) == wanted) return *table;
    names += (names.empty() ? "" : ", ") + std::string(table->isa);
  }
  throw Error("E_ISA", "STATELINE_ISA must be one of those this CPU can run (" + names + "), got " + wanted,
              {{"STATELINE_ISA", wanted}, {"available", names}});
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

std::string_view isa_name() { return kernels().isa; }

std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> names;
  for (const Kernels* table : available()) names.emplace_back(table->isa);
  return names;
}

}  // namespace stateline::cpu
