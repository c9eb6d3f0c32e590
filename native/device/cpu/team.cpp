#include "device/cpu/team.h"

#include <immintrin.h>
#include <sched.h>

namespace stateline::cpu {
namespace {

// A pause is some 15 ns here and up to 40 ns on Intel, a yield that nobody wants 0.3 µs: about 5 and 30 µs in all. Ops
// of a step follow one another faster than that; where cores are short, a yield hands this one to whoever is late.
constexpr int kPauses = 300;
constexpr int kYields = 100;

void wait_while(std::atomic<uint32_t>& word, uint32_t old) {
  for (int i = 0; i < kPauses; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    _mm_pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    sched_yield();
  }
  word.wait(old, std::memory_order_acquire);
}

}  // namespace

Team::Team(int threads) : size_(threads) {
  for (int part = 1; part < threads; ++part) threads_.emplace_back([this, part] { serve(part); });
}

Team::~Team() {
  call_ = nullptr;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::share(Call call, const void* context) {
  call_ = call;
  context_ = context;
  busy_.store(static_cast<uint32_t>(size_ - 1), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  call(context, 0);
  while (const uint32_t busy = busy_.load(std::memory_order_acquire)) wait_while(busy_, busy);
}

void Team::serve(int part) {
  for (uint32_t seen = 0;; ++seen) {
    wait_while(round_, seen);
    if (!call_) return;
    call_(context_, part);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace stateline::cpu
