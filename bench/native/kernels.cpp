// CPU kernels beside the floors of the machine, measured in the same run.
//
// Usage: kernels [rounds] [part of an op's name]
// Every round measures the floors and all ops in turn, so that whatever else the machine does falls on all alike; a
// share is the median over rounds of op against floor of the same round. STATELINE_ISA chooses the kernels.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "device/cpu/cpu_device.h"
#include "device/cpu/dispatch.h"
#include "device/cpu/memory.h"
#include "device/cpu/team.h"

namespace {

using namespace stateline;

volatile float sink;  // keeps results alive

// One thread is timed by what it ran itself, so that others who share its core do not count; more by the wall clock.
clockid_t clock_in_use = CLOCK_MONOTONIC;

double now() {
  timespec time;
  clock_gettime(clock_in_use, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds(const std::function<void()>& work) {
  const double begin = now();
  work();
  return now() - begin;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Something measured in `unit`; more is better, unless it is a time.
struct Measure {
  std::string name, unit;
  std::function<double()> sample;
  int floor = -1;  // index of the floor it is compared with; -1 for none
  std::vector<double> samples = {};
};

std::vector<float> random_floats(int64_t count, float scale, float mean = 0) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> distribution(mean - scale, mean + scale);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(generator);
  return values;
}

struct Product {
  Product(Device& device, ComputeType type, int64_t tokens, int64_t columns, int64_t rows)
      : tokens(tokens), columns(columns), rows(rows), in(random_floats(tokens * columns, 1)), out(tokens * rows) {
    const std::vector<float> weight = random_floats(rows * columns, 0.1f);
    const TensorSlice slice{
        reinterpret_cast<const std::byte*>(weight.data()), DType::f32, columns, {{0, rows, 1}}, 0, columns};
    matrix = device.pack(slice, nullptr, type);
  }
  void run(Device& device) {
    device.matmul(*matrix, View<const float>{in.data(), tokens, columns, columns},
                  View<float>{out.data(), tokens, rows, rows});
  }
  double flops() const { return 2.0 * static_cast<double>(tokens * columns * rows); }

  int64_t tokens, columns, rows;
  std::vector<float> in, out;
  std::unique_ptr<Matrix> matrix;
};

// Activations and parameters of mamba-130m's scan and convolution.
struct Mixer {
  static constexpr int64_t kChannels = 1536, kStates = 16, kTaps = 4;
  explicit Mixer(int32_t tokens, int32_t length)
      : a(random_floats(kStates * kChannels, 8, -9)),
        d(random_floats(kChannels, 1)),
        u(random_floats(tokens * kChannels, 1)),
        delta(random_floats(tokens * kChannels, 2, -3)),
        z(random_floats(tokens * kChannels, 2)),
        out(tokens * kChannels),
        b(random_floats(tokens * kStates, 1)),
        c(random_floats(tokens * kStates, 1)),
        state(tokens / length * kStates * kChannels),
        weight(random_floats(kTaps * kChannels, 1)),
        tokens(tokens) {
    for (int32_t begin = 0; begin < tokens; begin += length) segments.push_back({begin / length, begin, length});
  }
  View<float> wide(std::vector<float>& values) const { return {values.data(), tokens, kChannels, kChannels}; }
  Segments all() const { return {segments.data(), static_cast<int32_t>(segments.size())}; }

  void scan(Device& device) {
    const View<float> bs{b.data(), tokens, kStates, kStates}, cs{c.data(), tokens, kStates, kStates};
    device.selective_scan({a.data(), d.data(), kStates}, wide(u), wide(delta), bs, cs, wide(z), all(),
                          {state.data(), kStates * kChannels}, wide(out));
  }
  void conv(Device& device) {
    device.conv1d({weight.data(), d.data(), kTaps}, wide(u), all(), {state.data(), (kTaps - 1) * kChannels}, wide(out));
  }
  double elements() const { return static_cast<double>(tokens) * kStates * kChannels; }

  std::vector<float> a, d, u, delta, z, out, b, c, state, weight;
  int32_t tokens;
  std::vector<Segment> segments;
};

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 9;
  const char* wanted = count > 2 ? arguments[2] : "";
  const auto& kernels = cpu::kernels();
  std::printf("kernels %s, median of %d rounds\n", kernels.isa, rounds);

  for (const int threads : {1, 2}) {
    clock_in_use = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const auto device = make_cpu_device(threads);
    cpu::Team team(threads);
    const cpu::Memory memory(size_t{256} << 20);
    std::memset(memory.data(), 1, memory.bytes());

    std::vector<Measure> measures;
    enum Floor { read, f32, bf16 };
    measures.push_back({"floor: read 256 MiB", "GB/s", [&] {
                          const auto share = static_cast<int64_t>(memory.bytes()) / team.size();
                          return static_cast<double>(memory.bytes()) * 1e-9 / seconds([&] {
                                   team.run(
                                       [&](int part) { sink = kernels.read(memory.data() + part * share, share); });
                                 });
                        }});
    for (const int type : {0, 1}) {
      measures.push_back({type ? "floor: bf16 products" : "floor: f32 products", "GFLOP/s", [&kernels, &team, type] {
                            int64_t flops = 0;
                            const double time = seconds([&] {
                              team.run([&](int part) {
                                int64_t own = 0;
                                sink = kernels.multiply_add[type](3000000, &own);
                                if (part == 0) flops = own;
                              });
                            });
                            return static_cast<double>(flops) * team.size() * 1e-9 / time;
                          }});
    }
    const auto add = [&](std::string name, std::string unit, int floor, std::function<double()> sample) {
      if (name.find(wanted) != std::string::npos)
        measures.push_back({std::move(name), std::move(unit), std::move(sample), floor});
    };

    std::vector<std::unique_ptr<Product>> products;
    for (const ComputeType type : {ComputeType::f32, ComputeType::bf16}) {
      const std::string in = type == ComputeType::f32 ? " f32" : " bf16";
      struct Shape {
        int64_t tokens, columns, rows;
      };
      for (const Shape s : {Shape{512, 1536, 3072}, {512, 768, 1536}, {512, 1536, 80}, {512, 48, 1536}}) {
        products.push_back(std::make_unique<Product>(*device, type, s.tokens, s.columns, s.rows));
        add("matmul" + in + " " + std::to_string(s.tokens) + "x" + std::to_string(s.columns) + "x" +
                std::to_string(s.rows),
            "GFLOP/s", type == ComputeType::f32 ? f32 : bf16, [&device, p = products.back().get()] {
              constexpr int kTimes = 4;
              return kTimes * p->flops() * 1e-9 / seconds([&] {
                       for (int i = 0; i < kTimes; ++i) p->run(*device);
                     });
            });
      }
      for (const int64_t tokens : {1, 4, 8, 16}) {  // weights larger than any cache here
        products.push_back(std::make_unique<Product>(*device, type, tokens, 768, 50280));
        add("weights" + in + " " + std::to_string(tokens) + " rows", "GB/s", read,
            [&device, p = products.back().get()] {
              return static_cast<double>(p->matrix->bytes()) * 1e-9 / seconds([&] { p->run(*device); });
            });
      }
    }
    const auto prefill = std::make_unique<Mixer>(512, 512), decode = std::make_unique<Mixer>(16, 1),
               one = std::make_unique<Mixer>(1, 1);
    add("scan 512 tokens", "ns/state", -1,
        [&] { return seconds([&] { prefill->scan(*device); }) * 1e9 / prefill->elements(); });
    add("scan 16 x 1 token", "ns/state", -1,
        [&] { return seconds([&] { decode->scan(*device); }) * 1e9 / decode->elements(); });
    add("scan 1 token", "us", -1, [&] {
      return seconds([&] {
               for (int i = 0; i < 100; ++i) one->scan(*device);
             }) *
             1e4;
    });
    add("conv1d 512 tokens", "ns/value", -1,
        [&] { return seconds([&] { prefill->conv(*device); }) * 1e9 / (512 * 1536); });
    add("conv1d 1 token", "us", -1, [&] {
      return seconds([&] {
               for (int i = 0; i < 100; ++i) one->conv(*device);
             }) *
             1e4;
    });
    add("norm 512 x 768", "ns/value", -1, [&] {
      const View<float> x{prefill->u.data(), 512, 768, 768}, y{prefill->out.data(), 512, 768, 768};
      return seconds([&] { device->norm(x, {}, prefill->d.data(), 1e-5f, y); }) * 1e9 / (512 * 768);
    });
    add("team round", "us", -1, [&] {
      return seconds([&] {
               for (int i = 0; i < 2000; ++i) team.run([](int) {});
             }) *
             1e6 / 2000;
    });
    std::vector<int8_t> bytes(1 << 20);
    std::vector<float> scales(1 << 13), values = random_floats(1 << 20, 1);
    add("encode int8, in cache", "GB/s of f32", -1, [&] {
      return 16 * 4e-9 * 65536 / seconds([&] {
               for (int i = 0; i < 16; ++i) kernels.encode_int8(values.data(), 65536, 128, bytes.data(), scales.data());
             });
    });

    for (int round = -1; round < rounds; ++round) {  // the first one warms up
      for (Measure& measure : measures) {
        const double value = measure.sample();
        if (round >= 0) measure.samples.push_back(value);
      }
    }
    std::printf("\n%d thread%s\n", threads, threads > 1 ? "s" : "");
    for (const Measure& measure : measures) {
      std::printf("  %-28s %9.3f %-11s", measure.name.c_str(), median(measure.samples), measure.unit.c_str());
      if (measure.floor >= 0) {
        std::vector<double> shares;
        for (int i = 0; i < rounds; ++i) shares.push_back(measure.samples[i] / measures[measure.floor].samples[i]);
        std::printf(" %5.1f %% of %s", 100 * median(shares), measures[measure.floor].name.c_str() + 7);
      }
      std::printf("\n");
    }
  }
}
