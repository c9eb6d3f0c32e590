#include "runtime/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace stateline {
namespace {

struct Slot {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<uintptr_t> missing{0};
};

// A signal handler can reach nothing but statics.
std::array<Slot, 1024> slots;
std::mutex slots_mutex;
struct sigaction previous;
uintptr_t page_size;

// The manner of systemd's sigbus.c: a page of zeros takes the place of the one that is gone, and the read goes on.
void on_bus_error(int, siginfo_t* info, void*) {
  const int error = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const uintptr_t begin = slot.begin.load();
    if (begin == 0 || address < begin || address >= slot.end.load()) continue;
    void* page = reinterpret_cast<void*>(address & ~(page_size - 1));
    // The system call itself: it may be made from a handler, and ThreadSanitizer does not take the exchange of a page
    // that others read for a write to it.
    if (::syscall(SYS_mmap, page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == -1) break;
    uintptr_t none = 0;
    slot.missing.compare_exchange_strong(none, address);
    errno = error;
    return;
  }
  // Not ours: whoever was there before meets it when the instruction runs again.
  ::sigaction(SIGBUS, &previous, nullptr);
  if (info->si_code <= 0) ::raise(SIGBUS);  // sent by kill: no instruction runs again
  errno = error;
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous);
  });
}

}  // namespace

BusGuard::BusGuard(const std::byte* data, size_t size) {
  if (size == 0) return;
  install();
  std::lock_guard lock(slots_mutex);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].begin != 0) continue;
    const auto begin = reinterpret_cast<uintptr_t>(data);
    slots[i].end = begin + size;
    slots[i].missing = 0;
    slots[i].begin = begin;
    slot_ = static_cast<int>(i);
    return;
  }
}

BusGuard::~BusGuard() {
  if (slot_ >= 0) slots[slot_].begin = 0;
}

const std::byte* BusGuard::missing() const {
  return slot_ < 0 ? nullptr : reinterpret_cast<const std::byte*>(slots[slot_].missing.load());
}

}  // namespace stateline
