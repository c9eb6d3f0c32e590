// What the test program allocates through operator new, which it replaces with one that counts.
#pragma once

#include <atomic>
#include <cstdint>

namespace stateline::test {

extern std::atomic<int64_t> allocations;      // so far
extern std::atomic<int64_t> allocated_bytes;  // of those not freed yet

}  // namespace stateline::test
