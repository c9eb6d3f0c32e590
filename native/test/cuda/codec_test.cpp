#include <cmath>
#include <limits>

#include "test/cuda/fixture.h"
#include "test/cuda/wire.h"

namespace stateline::test {
namespace {

// A message's memory on the device.
struct Staging {
  Staging(int64_t values, int64_t groups)
      : bytes(std::vector<std::byte>(values * 4)), scales(std::vector<float>(groups)) {}
  cuda::WireMemory get() const { return {bytes.data(), scales.data()}; }
  Memory<std::byte> bytes;
  Memory<float> scales;
};

void check_codec(const std::vector<std::vector<float>>& ranks, int64_t rows, int64_t columns, int which,
                 int32_t group) {
  const cuda::Wire wire = kWires[which];
  const Context context(std::string(kWireNames[which]) + ", " + text(rows) + " × " + text(columns) + ", group " +
                        text(group) + ", " + text(ranks.size()) + " ranks");
  const CpuSums expected = cpu_sums(ranks, rows, columns, wire, group);
  const int64_t groups = rows * ((columns + group - 1) / group);
  in_every_order([&] {
    std::vector<std::unique_ptr<Staging>> staged;
    cuda::WireParts parts;
    parts.count = static_cast<int32_t>(ranks.size());
    for (size_t r = 0; r < ranks.size(); ++r) {
      staged.push_back(std::make_unique<Staging>(rows * columns, groups));
      parts.part[r] = staged.back()->get();
      Rows values(ranks[r], columns, 3);
      CHECK_CUDA(cuda::encode({values.view(), wire, group}, 0, groups, parts.part[r], nullptr));
    }
    Rows sum(rows, columns, 2);
    const cuda::Payload payload{sum.view(), wire, group};
    const int64_t middle = groups / 3;  // in two stripes
    CHECK_CUDA(cuda::decode_sum(payload, 0, middle, parts, nullptr));
    CHECK_CUDA(cuda::decode_sum(payload, middle, groups, parts, nullptr));
    CHECK(same(sum.get(), expected.one_shot));

    CHECK_CUDA(cuda::requantise(payload, 0, groups, parts, parts.part[0], nullptr));  // in place
    cuda::WireParts total;
    total.count = 1;
    total.part[0] = parts.part[0];
    CHECK_CUDA(cuda::decode_sum(payload, 0, groups, total, nullptr));
    CHECK(same(sum.get(), expected.two_shot));
  });
}

TEST("the CUDA codec gives the CPU codec's bits for every wire, group, odd width and magnitude") {
  auto generator = random(170);
  for (int wire = 0; wire < 4; ++wire) {
    for (const int32_t group : {1, 7, 128, 200}) {
      for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>{1, 128}, {3, 130}, {2, 513}, {5, 1}}) {
        for (const float scale : {1.0f, 1e-36f, 1e30f}) {
          if (scale != 1.0f && group != 128) continue;
          std::vector<std::vector<float>> ranks;
          for (int r = 0; r < 3; ++r) ranks.push_back(normal(generator, rows * columns, scale));
          check_codec(ranks, rows, columns, wire, group);
        }
      }
    }
  }
}

TEST("the CUDA codec keeps zeros, ties, subnormals, the largest floats, infinities and NaN as the CPU codec does") {
  std::vector<float> edge(512, 0.0f);
  const float some[] = {127, -127, 2.5f, 3.5f, -2.5f, 0.5f, 0.49f, -0.0f, 126.5f};
  std::copy(std::begin(some), std::end(some), edge.begin());
  for (int i = 0; i < 100; ++i) edge[130 + i] = std::ldexp(static_cast<float>(i - 50), -149);
  edge[500] = std::numeric_limits<float>::max();
  std::vector<float> poisoned = edge;
  poisoned[300] = std::nanf("");
  poisoned[400] = INFINITY;
  for (int wire = 0; wire < 4; ++wire) {
    check_codec({edge}, 1, 512, wire, 128);
    check_codec({edge, poisoned}, 2, 256, wire, 128);
    check_codec({poisoned, edge}, 1, 512, wire, 256);
  }
}

}  // namespace
}  // namespace stateline::test
