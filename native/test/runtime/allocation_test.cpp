// Counts what is allocated while tokens are decoded, by replacing the program's operator new.
#include <atomic>
#include <cstdlib>
#include <new>

#include "test/check.h"
#include "test/runtime/random_model.h"
#include "test/runtime/running_engine.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

void* allocate(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace stateline::test {

TEST("decoding allocates nothing on any rank, recording and sampling included") {
  const RandomModel model;
  for (const int ranks : {1, 4}) {
    auto spec = model.spec(ranks);
    spec.wires.steps = {{0, WireType::int8}};
    spec.threads_per_rank = 2;
    RunningEngine engine(spec);
    engine.engine().record(true, 1 << 16);
    allocations = 0;
    int heard = 0;
    GenerateOptions options;
    options.max_new_tokens = 50;
    options.sampling = {.temperature = 1, .top_k = 100, .top_p = 0.9, .seed = 3};
    engine.generate(input(random_tokens(5, 301)), options, [&](int32_t) {
      if (++heard == 3) counting = true;
      if (heard == 48) counting = false;
    });
    CHECK_EQUAL(allocations.load(), 0);
  }
}

}  // namespace stateline::test
