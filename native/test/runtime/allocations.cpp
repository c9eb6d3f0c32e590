#include "test/runtime/allocations.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace stateline::test {

std::atomic<int64_t> allocations{0}, allocated_bytes{0};

}  // namespace stateline::test

namespace {

using stateline::test::allocated_bytes;
using stateline::test::allocations;

// Relaxed, so that counting orders nothing between threads and hides no race from ThreadSanitizer.
void* allocate(std::size_t size) {
  void* memory = std::malloc(size ? size : 1);
  if (!memory) throw std::bad_alloc();
  allocations.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(memory)), std::memory_order_relaxed);
  return memory;
}

void release(void* memory) {
  if (memory) allocated_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(memory)), std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
