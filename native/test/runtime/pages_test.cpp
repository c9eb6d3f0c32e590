// What a rank reads of the mapped file: its own pages, found by taking all others away from it.
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "device/cpu/cpu_device.h"
#include "model/weights.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

// Marks the pages of `slice`'s rows.
void mark(std::vector<bool>& pages, const MappedFile& file, const TensorSlice& slice, size_t page) {
  const int64_t width = slice.dtype == DType::f32 ? 4 : 2;
  for (const RowRun& run : slice.runs) {
    for (int64_t row = run.begin; row < run.end; row += run.step) {
      const std::byte* begin = slice.data + (row * slice.stored_columns + slice.column_begin) * width;
      const size_t from = begin - file.data(), to = from + slice.columns() * width - 1;
      for (size_t at = from / page; at <= to / page; ++at) pages[at] = true;
    }
  }
}

// Bytes of the file that are in this process's memory.
int64_t resident(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  int64_t bytes = 0;
  bool own = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(path) != std::string::npos) own = true;
    if (!own || !line.starts_with("Rss:")) continue;
    bytes += std::stoll(line.substr(4)) << 10;
    own = false;
  }
  return bytes;
}

}  // namespace

TEST("a rank that loads reads no page of another's: the others may even be out of its reach") {
  RandomModelOptions options;
  options.shape = {
      .hidden = 256, .inner = 512, .states = 16, .taps = 4, .dt_rank = 16, .layers = 2, .vocabulary = 3000};
  const RandomModel model(options);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  for (const int ranks : {2, 4}) {
    const EngineSpec spec = model.spec(ranks);
    for (int rank = 0; rank < ranks; ++rank) {
      std::vector<MappedFile> files;
      files.emplace_back(model.path());
      const TensorTable tensors = tensors_of(spec, files, rank);
      std::vector<bool> own((files[0].size() + page - 1) / page);
      const TensorSlice& head = tensors.require(Role::lm_head, -1, 3000 / ranks, 256);
      tensors.for_each([&](Role role, const TensorSlice& slice) {
        // Of the embedding, as many rows as of the head are looked through.
        mark(own, files[0], role == Role::embed ? slice.part(head.runs[0].begin, head.rows()) : slice, page);
      });
      size_t reached = 0;
      for (size_t i = 0; i < own.size(); ++i) {
        reached += own[i];
        auto* at = const_cast<std::byte*>(files[0].data()) + i * page;
        if (!own[i]) CHECK_EQUAL(::mprotect(at, page, PROT_NONE), 0);
      }
      CHECK(reached < own.size() * 6 / 10);
      const auto device = make_cpu_device(1);
      const auto weights = load_weights(*device, tensors, spec.shape, ComputeType::f32, rank, [](int64_t) {});
      // No second copy: what is packed is what was stored for this rank, and the vectors' padding.
      CHECK(weights.bytes < reached * page * 11 / 10);
    }
  }
}

TEST("once loaded, a model has nothing of its file in memory but what its tokens look up") {
  RandomModelOptions options;
  options.shape = {
      .hidden = 256, .inner = 512, .states = 16, .taps = 4, .dt_rank = 16, .layers = 2, .vocabulary = 3000};
  const RandomModel model(options);
  for (const int ranks : {1, 4}) {
    RunningEngine engine(model.spec(ranks));
    CHECK_EQUAL(resident(model.path()), 0);
    engine.forward(input({7}));
    CHECK(resident(model.path()) > 0);
  }
}

}  // namespace stateline::test
