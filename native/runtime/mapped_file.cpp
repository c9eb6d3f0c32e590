#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "runtime/error.h"

namespace stateline {
namespace {

[[noreturn]] void fail(const std::string& path, int code) {
  const std::string reason = std::generic_category().message(code);
  throw Error("E_CHECKPOINT_READ", "cannot read " + path + ": " + reason, {{"file", path}, {"reason", reason}});
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, errno);
  struct stat status {};
  void* memory = nullptr;
  int error = 0;
  if (::fstat(descriptor, &status) != 0) {
    error = errno;
  } else if (S_ISDIR(status.st_mode)) {
    error = EISDIR;
  } else if (status.st_size > 0) {  // an empty file cannot be mapped, and holds no tensor
    memory = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) error = errno;
  }
  ::close(descriptor);
  if (error != 0) fail(path, error);
  data_ = static_cast<const std::byte*>(memory);
  size_ = static_cast<size_t>(status.st_size);
  guard_ = std::make_unique<BusGuard>(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      guard_(std::move(other.guard_)) {}

void MappedFile::check() const {
  const std::byte* missing = guard_ ? guard_->missing() : nullptr;
  if (!missing) return;
  const std::string at = std::to_string(missing - data_), was = std::to_string(size_);
  throw Error(
      "E_FILE_CHANGED",
      path_ + " was cut short while it was in use: byte " + at + " of " + was + " is gone; load the model again",
      {{"file", path_}, {"missing", at}, {"size", was}});
}

void MappedFile::release_pages() const {
  if (data_) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace stateline
