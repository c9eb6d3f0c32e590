#include "test/cuda/fixture.h"

namespace stateline::test {
namespace {

using Product = cudaError_t (*)(const cuda::Weights&, const float*, View<const float>, View<float>, cudaStream_t);

void check_product(std::mt19937_64& generator, Product product, DType type, int64_t tokens, int64_t rows,
                   int64_t columns) {
  const Context context(text(tokens) + " tokens, " + text(rows) + " × " + text(columns) + " in " +
                        std::string(name_of(type)));
  const StoredWeights weight(generator, type, rows, columns);
  const auto in = normal(generator, tokens * columns), bias = normal(generator, rows);
  const Memory<float> biases(bias);
  const Values scale = reference::matmul_scale(wide(in), weight.host.values, tokens, rows, columns);
  for (const bool with_bias : {false, true}) {
    const Values expected =
        reference::matmul(wide(in), weight.host.values, with_bias ? wide(bias) : Values{}, tokens, rows, columns);
    in_every_order([&] {
      Rows x(in, columns, 4), out(tokens, rows, 3);
      CHECK_CUDA(product(weight.get(), with_bias ? biases.data() : nullptr, x.view(), out.view(), nullptr));
      check_values(out.get(), expected, [&](size_t i) { return 1e-6 * (scale[i] + 1); });
    });
  }
}

TEST("the CUDA product of a few rows equals the reference for every weight type, width and number of rows") {
  auto generator = random(140);
  for (const DType type : kTypes) {
    for (const int64_t tokens : {1, 2, 3, 5, 8, 11, 16}) {
      check_product(generator, cuda::gemv, type, tokens, 19, 264);
      check_product(generator, cuda::gemv, type, tokens, 5, 37);
    }
    check_product(generator, cuda::gemv, type, 1, 1, 1);
    check_product(generator, cuda::gemv, type, 4, 70, 1024);
  }
}

TEST("a row of a CUDA product has the same bits whatever rows stand beside it") {
  auto generator = random(141);
  const StoredWeights weight(generator, DType::bf16, 40, 512);
  const auto in = normal(generator, 16 * 512);
  const auto first_row = [&](int64_t tokens) {
    Rows x(std::vector<float>(in.begin(), in.begin() + tokens * 512), 512, 0), out(tokens, 40, 0);
    CHECK_CUDA(cuda::gemv(weight.get(), nullptr, x.view(), out.view(), nullptr));
    const auto all = out.get();
    return std::vector<float>(all.begin(), all.begin() + 40);
  };
  for (const int64_t tokens : {2, 3, 7, 16}) CHECK(first_row(tokens) == first_row(1));
}

TEST("the CUDA product without cuBLAS equals the reference for every weight type and odd shapes") {
  auto generator = random(142);
  for (const DType type : kTypes) {
    check_product(generator, cuda::gemm, type, 1, 1, 1);
    check_product(generator, cuda::gemm, type, 70, 65, 33);
    check_product(generator, cuda::gemm, type, 64, 128, 16);
    check_product(generator, cuda::gemm, type, 3, 200, 47);
  }
}

TEST("a CUDA product refuses shapes that do not fit") {
  auto generator = random(143);
  const StoredWeights weight(generator, DType::f32, 4, 8);
  Rows in(17, 8, 0), out(17, 4, 0), narrow(2, 7, 0);
  CHECK_EQUAL(cuda::gemv(weight.get(), nullptr, in.view(), out.view(), nullptr), cudaErrorInvalidValue);
  CHECK_EQUAL(cuda::gemm(weight.get(), nullptr, narrow.view(), out.view().rows_from(0, 2), nullptr),
              cudaErrorInvalidValue);
}

}  // namespace
}  // namespace stateline::test
