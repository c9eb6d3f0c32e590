// LLVM's libFuzzer on the same target as spec_test.cpp: build/fuzz/…/spec_fuzzer -max_total_time=600
#include "test/fuzz/spec_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  stateline::test::load_edited_spec(data, size);
  return 0;
}
