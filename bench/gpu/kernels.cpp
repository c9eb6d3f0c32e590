// What kernels reach of a GPU: each op's time in the shapes of mamba-2.8b beside the bytes that it must move and the
// arithmetic that it must do, and the GPU's own copy as the ceiling of bandwidth. JSON on stdout; --dry-run takes tiny
// shapes, to see that the program works where there is no GPU.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "comm/cuda/payload.h"
#include "device/cuda/cublas.h"
#include "device/cuda/memory.h"
#include "device/cuda/stream.h"
#include "runtime/error.h"

namespace {

using namespace stateline;
using namespace stateline::cuda;

struct Sizes {
  int64_t inner, states, taps, dt_rank, hidden, prefill, copy_bytes, rotated_bytes;
  int rounds, launches;
};
constexpr Sizes kReal = {5120, 16, 4, 160, 2560, 2048, int64_t{1} << 30, int64_t{256} << 20, 15, 20};
constexpr Sizes kTiny = {64, 8, 4, 8, 48, 33, 1 << 16, 1, 1, 1};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Numbers around zero: zeros would be faster than what models hold.
DeviceMemory random_memory(int64_t bytes, DType type = DType::f32) {
  static std::mt19937_64 generator(1);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<uint32_t> words(1 << 16);
  for (uint32_t& word : words) {
    const float pair[2] = {normal(generator), normal(generator)};
    uint32_t bits[2];
    std::memcpy(bits, pair, sizeof bits);
    word = type == DType::bf16 ? bits[0] >> 16 | (bits[1] & 0xffff0000u) : bits[0];
  }
  DeviceMemory memory(bytes, "a benchmark");
  const auto block = static_cast<int64_t>(words.size() * sizeof(uint32_t));
  for (int64_t at = 0; at < bytes; at += block) {
    check(cudaMemcpy(memory.data() + at, words.data(), std::min(block, bytes - at), cudaMemcpyHostToDevice), "copying");
  }
  return memory;
}

// A matrix or an array, as often as it takes that no copy is still in a cache when it is read again.
class Rotated {
 public:
  Rotated(int64_t bytes, int64_t all_bytes, DType type = DType::f32)
      : each_((bytes + 255) / 256 * 256), count_(std::max<int64_t>(1, all_bytes / each_)) {
    memory_ = random_memory(each_ * count_, type);
  }
  template <class T>
  T* at(int64_t turn) const {
    return reinterpret_cast<T*>(memory_.data() + turn % count_ * each_);
  }

 private:
  int64_t each_, count_;
  DeviceMemory memory_;
};

class Bench {
 public:
  explicit Bench(const Sizes& sizes) : sizes_(sizes) {}

  // `op(turn)` is put on the stream again and again. `bytes`, `flops`: of one.
  template <class Op>
  void time(const std::string& name, double bytes, double flops, Op op) {
    int64_t turn = 0;
    const auto run = [&] {
      begin_.record(stream_);
      for (int i = 0; i < sizes_.launches; ++i) check(op(turn++), name);
      end_.record(stream_);
      check(cudaEventSynchronize(end_), name);
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin_, end_), name);
      return static_cast<double>(milliseconds) * 1e3 / sizes_.launches;
    };
    run();  // loads the kernel
    std::vector<double> microseconds;
    for (int i = 0; i < sizes_.rounds; ++i) microseconds.push_back(run());
    const double us = std::max(median(microseconds), 1e-3);
    std::printf(
        "%s\n  {\"kernel\": \"%s\", \"us\": %.3f, \"fastestUs\": %.3f, \"bytes\": %.0f, \"gbPerSecond\": %.1f, ",
        first_ ? "" : ",", name.c_str(), us, *std::min_element(microseconds.begin(), microseconds.end()), bytes,
        bytes / us * 1e-3);
    std::printf("\"flops\": %.0f, \"gflopPerSecond\": %.1f}", flops, flops / us * 1e-3);
    std::fflush(stdout);
    first_ = false;
  }

  void copies();
  void mixer(int64_t sequences);
  void prefill();
  void products();
  void codecs();

 private:
  cudaStream_t stream() const { return stream_; }

  const Sizes& sizes_;
  CudaStream stream_;
  CudaEvent begin_{cudaEventDefault}, end_{cudaEventDefault};
  bool first_ = true;
};

void Bench::copies() {
  const DeviceMemory from = random_memory(sizes_.copy_bytes), to(sizes_.copy_bytes, "a benchmark");
  time("copy", 2.0 * static_cast<double>(sizes_.copy_bytes), 0, [&](int64_t) {
    return cudaMemcpyAsync(to.data(), from.data(), sizes_.copy_bytes, cudaMemcpyDeviceToDevice, stream());
  });
}

View<float> rows_of(const DeviceMemory& memory, int64_t rows, int64_t columns) {
  return {memory.as<float>(), rows, columns, columns};
}

DeviceMemory segments_of(const std::vector<Segment>& segments) {
  DeviceMemory memory(segments.size() * sizeof(Segment), "a benchmark");
  check(cudaMemcpy(memory.data(), segments.data(), memory.bytes(), cudaMemcpyHostToDevice), "copying");
  return memory;
}

void Bench::mixer(int64_t sequences) {
  const int64_t d = sizes_.inner, n = sizes_.states, r = sizes_.dt_rank, k = sizes_.taps;
  std::vector<Segment> each;
  for (int32_t i = 0; i < sequences; ++i) each.push_back({i, i, 1, 7});
  const DeviceMemory segments = segments_of(each);
  const DeviceSegments all{segments.as<Segment>(), static_cast<int32_t>(sequences), 1};
  const DeviceMemory u = random_memory(sequences * d * 4), z = random_memory(sequences * d * 4),
                     params = random_memory(sequences * (r + 2 * n) * 4), out = random_memory(sequences * d * 4),
                     skip = random_memory(d * 4), bias = random_memory(d * 4), taps = random_memory(k * d * 4);
  const Rotated a(n * d * 4, sizes_.rotated_bytes), states(sequences * n * d * 4, sizes_.rotated_bytes),
      weight(d * r * 2, sizes_.rotated_bytes, DType::bf16), inputs(sequences * (k - 1) * d * 4, sizes_.rotated_bytes);
  const View<float> columns = rows_of(params, sequences, r + 2 * n);
  const auto count = static_cast<double>(sequences);
  const std::string suffix = ", " + std::to_string(sequences) + " sequences";
  time("conv1d_update" + suffix, count * static_cast<double>((2 + 2 * (k - 1)) * d * 4 + k * d * 4),
       count * static_cast<double>(d * (2 * k + 4)), [&](int64_t turn) {
         return conv1d({taps.as<float>(), bias.as<float>(), k, rows_of(u, sequences, d), inputs.at<float>(turn),
                        (k - 1) * d, rows_of(out, sequences, d)},
                       all, stream());
       });
  const double update_bytes = count * static_cast<double>(2 * n * d * 4 + 3 * d * 4 + (r + 2 * n) * 4) +
                              static_cast<double>(n * d * 4 + d * r * 2);
  time("state_update" + suffix, update_bytes, count * static_cast<double>(d * (7 * n + 12 + 2 * r)), [&](int64_t turn) {
    const Scan scan{a.at<float>(turn),
                    skip.as<float>(),
                    n,
                    rows_of(u, sequences, d),
                    {},
                    columns.columns_from(r, n),
                    columns.columns_from(r + n, n),
                    rows_of(z, sequences, d),
                    states.at<float>(turn),
                    n * d,
                    rows_of(out, sequences, d)};
    return state_update(scan, columns.columns_from(0, r), {weight.at<void>(turn), DType::bf16, d, r, r},
                        bias.as<float>(), all, stream());
  });
}

void Bench::prefill() {
  const int64_t d = sizes_.inner, n = sizes_.states, k = sizes_.taps, t = sizes_.prefill;
  const DeviceMemory segments = segments_of({{0, 0, static_cast<int32_t>(t), 0}});
  const DeviceSegments all{segments.as<Segment>(), 1, static_cast<int32_t>(t)};
  const DeviceMemory u = random_memory(t * d * 4), delta = random_memory(t * d * 4), z = random_memory(t * d * 4),
                     out = random_memory(t * d * 4), b = random_memory(t * n * 4), c = random_memory(t * n * 4),
                     a = random_memory(n * d * 4), skip = random_memory(d * 4), state = random_memory(n * d * 4),
                     taps = random_memory(k * d * 4), bias = random_memory(d * 4),
                     kept = random_memory((k - 1) * d * 4);
  const auto tokens = static_cast<double>(t);
  const std::string suffix = ", " + std::to_string(t) + " tokens";
  time("conv1d" + suffix, tokens * static_cast<double>(2 * d * 4), tokens * static_cast<double>(d * (2 * k + 4)),
       [&](int64_t) {
         return conv1d({taps.as<float>(), bias.as<float>(), k, rows_of(u, t, d), kept.as<float>(), (k - 1) * d,
                        rows_of(out, t, d)},
                       all, stream());
       });
  time("selective_scan" + suffix, tokens * static_cast<double>((4 * d + 2 * n) * 4),
       tokens * static_cast<double>(d * (7 * n + 12)), [&](int64_t) {
         return selective_scan(
             {a.as<float>(), skip.as<float>(), n, rows_of(u, t, d), rows_of(delta, t, d), rows_of(b, t, n),
              rows_of(c, t, n), rows_of(z, t, d), state.as<float>(), n * d, rows_of(out, t, d)},
             all, stream());
       });
}

void Bench::products() {
  const int64_t rows = sizes_.inner, columns = sizes_.hidden;
  const Rotated weight(rows * columns * 2, sizes_.rotated_bytes, DType::bf16);
  const auto cublas = Cublas::open(stream());
  for (const int64_t tokens : {1, 4, 16}) {
    const DeviceMemory in = random_memory(tokens * columns * 4), out = random_memory(tokens * rows * 4);
    time("gemv bf16, " + std::to_string(tokens) + " rows",
         static_cast<double>(rows * columns * 2 + tokens * (rows + columns) * 4),
         2.0 * static_cast<double>(tokens * rows * columns), [&](int64_t turn) {
           return gemv({weight.at<void>(turn), DType::bf16, rows, columns, columns}, nullptr,
                       rows_of(in, tokens, columns), rows_of(out, tokens, rows), stream());
         });
    if (!cublas) continue;  // what kGemvRows is held against
    const DeviceMemory narrow = random_memory(tokens * columns * 2, DType::bf16);
    time("cublas bf16, " + std::to_string(tokens) + " rows",
         static_cast<double>(rows * columns * 2 + tokens * (rows * 4 + columns * 2)),
         2.0 * static_cast<double>(tokens * rows * columns), [&](int64_t turn) {
           cublas->product({weight.at<void>(turn), DType::bf16, rows, columns, columns}, narrow.data(), columns,
                           rows_of(out, tokens, rows));
           return cudaSuccess;
         });
  }
}

void Bench::codecs() {
  const int64_t columns = sizes_.hidden, rows = sizes_.prefill;
  const DeviceMemory values = random_memory(rows * columns * 4);
  for (const WireType type : {WireType::f16, WireType::int8}) {
    const Message message(rows_of(values, rows, columns), {type, 128});
    std::vector<DeviceMemory> wires;
    WireParts parts;
    for (int i = 0; i < 2; ++i) {
      wires.emplace_back(message.bytes(), "a benchmark");
      parts.part[parts.count++] = wire_memory(message, wires.back().data());
    }
    const auto plain = static_cast<double>(message.count() * 4), wire = static_cast<double>(message.bytes());
    const std::string name = type == WireType::int8 ? "int8" : "f16";
    for (int i = 0; i < 2; ++i) {
      check(encode(payload_of(message), 0, message.groups(), parts.part[i], stream()), "encoding");
    }
    time("encode " + name, plain + wire, 0,
         [&](int64_t) { return encode(payload_of(message), 0, message.groups(), parts.part[0], stream()); });
    time("decode_sum of 2 " + name, plain + 2 * wire, static_cast<double>(message.count()),
         [&](int64_t) { return decode_sum(payload_of(message), 0, message.groups(), parts, stream()); });
  }
}

}  // namespace

int main(int count, char** arguments) {
  const bool dry = count > 1 && std::strcmp(arguments[1], "--dry-run") == 0;
  int failed = 0;
  const auto attempt = [&](const auto& run) {
    try {
      run();
    } catch (const Error& error) {
      std::fprintf(stderr, "%s: %s\n", error.code.c_str(), error.message.c_str());
      ++failed;
    }
  };
  std::printf("[");
  attempt([&] {
    Bench bench(dry ? kTiny : kReal);
    attempt([&] { bench.copies(); });
    for (const int sequences : {1, 16}) attempt([&] { bench.mixer(sequences); });
    attempt([&] { bench.prefill(); });
    attempt([&] { bench.products(); });
    attempt([&] { bench.codecs(); });
  });
  std::printf("\n]\n");
  return failed > 0;
}
