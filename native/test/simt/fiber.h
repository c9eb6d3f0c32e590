// A stack that can be left and entered again. x86-64, as the engine's CPU kernels are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt {

class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Allocates the stack; the first `enter` calls run(argument), which must never return.
  void start(void (*run)(void*), void* argument);
  bool started() const { return stack_ != nullptr; }
  void enter();  // from the scheduler, until the fiber leaves
  void leave();  // from the fiber, back to the scheduler

 private:
  static void begin(Fiber* self);

  static constexpr size_t kStack = 256 << 10;  // address space: pages take room once they are touched
  char* stack_ = nullptr;
  void* own_ = nullptr;  // stack pointers where each side stopped
  void* caller_ = nullptr;
  void (*run_)(void*) = nullptr;
  void* argument_ = nullptr;
  // What sanitizers want to know of the two stacks.
  void* fake_stack_ = nullptr;
  void* caller_fake_stack_ = nullptr;
  const void* caller_bottom_ = nullptr;
  size_t caller_size_ = 0;
  void* thread_ = nullptr;
  void* caller_thread_ = nullptr;
};

}  // namespace simt
