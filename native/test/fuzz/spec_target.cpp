#include "test/fuzz/spec_target.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <string>

#include "runtime/error.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"

namespace stateline::test {
namespace {

// Reads numbers off the fuzzer's bytes, zeros beyond their end.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool left() const { return size_ > 0; }

  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }

  uint64_t word() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }

  // Another value for a field: near the old one, at an edge of its type, or anything.
  int64_t other(int64_t old) {
    constexpr std::array<int64_t, 12> kEdges = {0,
                                                1,
                                                -1,
                                                2,
                                                3,
                                                1 << 12,
                                                int64_t{1} << 31,
                                                int64_t{1} << 48,
                                                int64_t{1} << 53,
                                                int64_t{1} << 62,
                                                std::numeric_limits<int64_t>::min(),
                                                std::numeric_limits<int64_t>::max()};
    const uint8_t kind = byte();
    if (kind < 96) return static_cast<int64_t>(static_cast<uint64_t>(old) + kind % 9 - 4);  // wraps at the edges
    if (kind < 192) return kEdges[kind % kEdges.size()];
    if (kind < 224) return byte();
    return static_cast<int64_t>(word());
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

template <class T>
void edit(Bytes& bytes, T& field) {
  field = static_cast<T>(bytes.other(static_cast<int64_t>(field)));
}

void edit_shape(Bytes& bytes, ModelShape& shape) {
  int64_t* fields[] = {&shape.hidden,   &shape.inner,      &shape.states,      &shape.taps,
                       &shape.dt_rank,  &shape.vocabulary, &shape.mixer_heads, &shape.hybrid_layers,
                       &shape.kv_heads, &shape.head_dim,   &shape.context};
  const size_t which = bytes.byte() % (std::size(fields) + 3);
  if (which < std::size(fields)) return edit(bytes, *fields[which]);
  if (which == std::size(fields)) return edit(bytes, shape.layers);
  const auto bits = static_cast<uint32_t>(bytes.word());
  std::memcpy(which == std::size(fields) + 1 ? &shape.epsilon : &shape.ssm_epsilon, &bits, sizeof bits);
}

void edit_slice(Bytes& bytes, RankSlice& slice) {
  switch (bytes.byte() % 7) {
    case 0:
      return edit(bytes, slice.column_begin);
    case 1:
      return edit(bytes, slice.column_end);
    case 2:
      return slice.rows.clear();
    case 3:
      return slice.rows.push_back({bytes.byte(), bytes.byte(), bytes.byte()});
    default:
      break;
  }
  if (slice.rows.empty()) return;
  RowRun& run = slice.rows[bytes.byte() % slice.rows.size()];
  int64_t* fields[] = {&run.begin, &run.end, &run.step};
  edit(bytes, *fields[bytes.byte() % 3]);
}

void edit_tensor(Bytes& bytes, EngineSpec& spec) {
  const size_t index = bytes.byte() % spec.tensors.size();
  EngineTensor& tensor = spec.tensors[index];
  switch (bytes.byte() % 11) {
    case 0:
      tensor.role = static_cast<Role>(bytes.byte() % (static_cast<int>(Role::hybrid_linear) + 1));
      return;
    case 1:
      return edit(bytes, tensor.layer);
    case 2:
      return edit(bytes, tensor.file);
    case 3:
      return edit(bytes, tensor.byte_offset);
    case 4:
      tensor.dtype = static_cast<DType>(bytes.byte() % 3);
      return;
    case 5:
      return edit(bytes, tensor.rows);
    case 6:
      return edit(bytes, tensor.columns);
    case 7:
      tensor.ranks.resize(bytes.byte() % 4);
      return;
    case 8:
      spec.tensors.erase(spec.tensors.begin() + static_cast<std::ptrdiff_t>(index));
      return;
    case 9:
      spec.tensors.push_back(EngineTensor(tensor));
      return;
    default:
      if (!tensor.ranks.empty()) edit_slice(bytes, tensor.ranks[bytes.byte() % tensor.ranks.size()]);
  }
}

void edit_wires(Bytes& bytes, WireTable& wires) {
  const uint8_t kind = bytes.byte();
  if (kind % 3 == 0) return edit(bytes, wires.group);
  const auto wire = static_cast<WireType>(kind % 4);
  if (kind % 3 == 1) return wires.steps.push_back({bytes.other(1), wire});
  wires.steps.front().wire = wire;
}

void edit_spec(Bytes& bytes, EngineSpec& spec) {
  switch (bytes.byte() % 8) {
    case 0:
      return edit(bytes, spec.ranks);
    case 1:
      return edit(bytes, spec.threads_per_rank);
    case 2:
      spec.overlap = !spec.overlap;
      return;
    case 3:
      return edit(bytes, spec.max_tokens);
    case 4:
      return edit(bytes, spec.slots);
    case 5:
      spec.compute_type = static_cast<ComputeType>(bytes.byte() % 3);
      return;
    case 6:
      return edit_wires(bytes, spec.wires);
    default:
      spec.files.push_back(bytes.byte() % 2 ? "/dev/null" : "/");
      if (bytes.byte() % 4 == 0) std::swap(spec.files.front(), spec.files.back());
  }
}

void edit_file(Bytes& bytes, const std::string& path, size_t size) {
  if (bytes.byte() % 4 == 0) {
    if (::truncate(path.c_str(), static_cast<off_t>(bytes.word() % size)) != 0) std::abort();
    return;
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(bytes.word() % size));
  for (int i = 0; i < 4; ++i) file.put(static_cast<char>(bytes.byte()));
}

// What passes validate() may still want more memory or threads than a fuzzer should take.
bool modest(const EngineSpec& spec) {
  const ModelShape& shape = spec.shape;
  return shape.hidden <= 4096 && shape.inner <= 4096 && shape.dt_rank <= 4096 && shape.vocabulary <= 4096 &&
         shape.context <= 4096 && shape.head_dim <= 4096 && shape.kv_heads <= 64 && shape.mixer_heads <= 64 &&
         shape.taps <= 64 && spec.max_tokens <= 512 && spec.slots <= 16 && spec.threads_per_rank <= 2 &&
         spec.ranks <= 8;
}

RandomModelOptions small(RandomModelOptions options) {
  options.shape.layers = std::min<int64_t>(options.shape.layers, 2);
  options.shape.hidden = 16;
  options.shape.inner = 16;
  options.shape.vocabulary = 40;
  options.shape.states = 4;
  if (options.shape.head_dim > 0) options.shape.hybrid_layers = 1;
  return options;
}

void run(Bytes& bytes) {
  const uint8_t kind = bytes.byte();
  const RandomModel model(small(kind % 2 ? hybrid_model() : RandomModelOptions{}));
  EngineSpec spec = model.spec(kind % 4 < 2 ? 1 : 2);
  std::ifstream file(model.path(), std::ios::binary | std::ios::ate);
  const auto size = static_cast<size_t>(file.tellg());
  while (bytes.left()) {
    switch (bytes.byte() % 8) {
      case 0:
      case 1:
        edit_shape(bytes, spec.shape);
        break;
      case 2:
        edit_spec(bytes, spec);
        break;
      case 3:
        edit_file(bytes, model.path(), size);
        break;
      default:
        if (!spec.tensors.empty()) edit_tensor(bytes, spec);
    }
  }
  validate(spec);
  if (!modest(spec)) return;
  RunningEngine engine(spec);
  // Not always finite: f32 read as bf16 gives weights that are numbers, and far too large.
  const auto logits = engine.forward(input({1, 0, 1}, 2));
  if (logits.size() != 3 * static_cast<size_t>(spec.shape.vocabulary)) std::abort();
}

}  // namespace

void load_edited_spec(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  try {
    run(bytes);
  } catch (const Error& error) {
    if (error.code.empty() || error.message.empty()) std::abort();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "not an Error: %s\n", error.what());
    std::abort();
  }
}

}  // namespace stateline::test
