#include "device/cpu/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "runtime/error.h"

namespace stateline::cpu {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kArenaBlock = size_t{64} << 20;  // takes room only page by page, once it is written to
constexpr size_t kLeastOfArena = 64 << 10;        // less fits the translation buffer, and sanitizers watch the heap

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
  if (huge) {
    data_ = {data, [rounded](std::byte* begin) { munmap(begin, rounded); }};
  } else {
    std::memset(data, 0, rounded);
    data_ = {data, [](std::byte* begin) { std::free(begin); }};
  }
}

Memory Arena::take(size_t bytes) {
  if (bytes < kLeastOfArena) return Memory(bytes);
  if (used_ + bytes > block_.bytes()) {
    block_ = Memory(std::max(bytes, kArenaBlock));
    used_ = 0;
  }
  std::shared_ptr<std::byte> data(block_.data_, block_.data() + used_);
  used_ = round_up(used_ + bytes, kLine);
  return {std::move(data), bytes};
}

}  // namespace stateline::cpu
