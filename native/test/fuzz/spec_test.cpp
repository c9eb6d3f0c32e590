// Whatever stands in a spec and its file: an Error or a model that computes. Coverage-guided: libfuzzer/, preset fuzz.
#include <vector>

#include "test/check.h"
#include "test/fuzz/spec_target.h"

namespace stateline::test {

TEST("a plan or a file with any of its values changed loads as a whole model or is refused by an Error") {
  auto generator = random(0);
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint8_t> bytes(generator() % 40);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(generator());
    load_edited_spec(bytes.data(), bytes.size());
  }
}

}  // namespace stateline::test
