#include "runtime/mapped_file.h"

#include <filesystem>
#include <fstream>

#include "runtime/error.h"
#include "test/check.h"

namespace stateline::test {

TEST("a mapped file that is cut short reads as zeros behind the cut, and says so, instead of ending the process") {
  const auto path = std::filesystem::temp_directory_path() / ("stateline-cut-" + std::to_string(seed()));
  constexpr size_t kSize = 1 << 20;
  std::ofstream(path, std::ios::binary) << std::string(kSize, 'x');
  {
    const MappedFile other(path.string());
    const MappedFile file(path.string());
    CHECK(file.data()[kSize - 1] == std::byte{'x'});
    file.check();
    std::filesystem::resize_file(path, kSize / 2);
    file.check();  // nothing was read since
    const volatile std::byte* data = file.data();
    CHECK(data[kSize / 2 - 1] == std::byte{'x'});
    CHECK(data[kSize - 1] == std::byte{0});
    CHECK_THROWS(file.check(), "E_FILE_CHANGED");
    other.check();
  }
  std::filesystem::remove(path);
}

TEST("moving a mapped file moves its guard") {
  const auto path = std::filesystem::temp_directory_path() / ("stateline-move-" + std::to_string(seed()));
  std::ofstream(path, std::ios::binary) << std::string(1 << 16, 'x');
  {
    MappedFile first(path.string());
    const MappedFile file(std::move(first));
    std::filesystem::resize_file(path, 0);
    const volatile std::byte* data = file.data();
    CHECK(data[0] == std::byte{0});
    CHECK_THROWS(file.check(), "E_FILE_CHANGED");
  }
  std::filesystem::remove(path);
}

}  // namespace stateline::test
