#include "model/logits.h"

#include <cstdlib>
#include <new>

namespace stateline {

void LogitsBlock::Free::operator()(float* memory) const { std::free(memory); }

LogitsBlock::LogitsBlock(int64_t vocabulary, int ranks)
    : vocabulary_(vocabulary), stride_((vocabulary + 15) / 16 * 16), turns_(ranks) {
  memory_.reset(static_cast<float*>(std::aligned_alloc(64, bytes())));
  if (!memory_) throw std::bad_alloc();
}

View<float> LogitsBlock::next(int rank, int64_t rows) {
  const uint32_t block = turns_[rank].blocks++ & 1;
  return {memory_.get() + block * kRows * stride_, rows, vocabulary_, stride_};
}

}  // namespace stateline
