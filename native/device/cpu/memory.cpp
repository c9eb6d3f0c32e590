#include "device/cpu/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/error.h"

namespace stateline::cpu {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// A mapping of whole huge pages: one page more is asked for, and what sticks out is given back.
std::byte* map(size_t bytes) {
  void* got = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(got);
  const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (before) munmap(begin, before);
  munmap(begin + before + bytes, kHugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // a kernel without huge pages serves small ones
  return begin + before;
}

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= kHugePage;
  const size_t rounded = round_up(bytes, huge ? kHugePage : kLine);
  auto* data = huge ? map(rounded) : static_cast<std::byte*>(std::aligned_alloc(kLine, rounded));
  if (!data) {
    throw Error("E_MEMORY", "the system has no " + std::to_string(bytes) + " bytes of memory left",
                {{"bytes", std::to_string(bytes)}});
  }
  if (!huge) std::memset(data, 0, rounded);
  data_ = {data, Release{huge ? rounded : 0}};
}

void Memory::Release::operator()(std::byte* data) const {
  if (mapped) {
    munmap(data, mapped);
  } else {
    std::free(data);
  }
}

}  // namespace stateline::cpu
