// Reading a mapped file beyond where somebody has cut it off raises SIGBUS. The guard puts zeros there instead of
// ending the process, and remembers it, so that the reader can fail with a clear error.
#pragma once

#include <cstddef>

namespace stateline {

class BusGuard {
 public:
  // Guards the mapped bytes for as long as it lives, unless a thousand other mappings are guarded already.
  BusGuard(const std::byte* data, size_t size);
  ~BusGuard();
  BusGuard(const BusGuard&) = delete;
  BusGuard& operator=(const BusGuard&) = delete;

  // Bytes were missing when they were read: from here on.  Null: none were.
  const std::byte* missing() const;

 private:
  int slot_ = -1;
};

}  // namespace stateline
