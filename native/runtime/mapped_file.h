// A file mapped for reading.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/bus_guard.h"

namespace stateline {

class MappedFile {
 public:
  // Throws E_CHECKPOINT_READ with the system's reason.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  // Throws E_FILE_CHANGED when bytes were gone that have been read: what was made of them is worth nothing.
  void check() const;
  // Takes the pages that were read out of this process's memory; the next read gets them from the system's cache.
  void release_pages() const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::unique_ptr<BusGuard> guard_;
};

}  // namespace stateline
