// The golden cases on a GPU, all ranks on it: logits in one chunk, in chunks of 7 and token by token, and the greedy
// tokens that follow, beside the reference's. Arguments: the files of plans.mjs. One line a case and number of ranks.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/error.h"
#include "test/engine/running_engine.h"

namespace {

using namespace stateline;
using namespace stateline::test;

struct Golden {
  std::string name;
  double tolerance = 0;
  EngineSpec spec;
  std::vector<int32_t> tokens, greedy;
  std::vector<float> logits;  // [tokens, vocabulary]
};

template <class T>
T next(std::istream& in) {
  T value{};
  if (!(in >> value)) throw Error("E_PLAN", "a plan ends too early or has a word where a number must be");
  return value;
}

std::vector<int32_t> list(std::istream& in) {
  std::vector<int32_t> values(next<size_t>(in));
  for (int32_t& value : values) value = next<int32_t>(in);
  return values;
}

EngineTensor tensor(std::istream& in, int ranks) {
  EngineTensor tensor;
  const auto role = role_of(next<std::string>(in));
  if (!role) throw Error("E_PLAN", "a plan has a tensor of no known role");
  tensor.role = *role;
  tensor.layer = next<int>(in);
  tensor.file = next<size_t>(in);
  tensor.byte_offset = next<uint64_t>(in);
  const auto type = next<std::string>(in);
  tensor.dtype = type == "F32" ? DType::f32 : type == "F16" ? DType::f16 : DType::bf16;
  tensor.rows = next<int64_t>(in);
  tensor.columns = next<int64_t>(in);
  for (int rank = 0; rank < ranks; ++rank) {
    RankSlice slice;
    slice.rows.resize(next<size_t>(in));
    for (RowRun& run : slice.rows) in >> run.begin >> run.end >> run.step;
    in >> slice.column_begin >> slice.column_end;
    tensor.ranks.push_back(slice);
  }
  return tensor;
}

Golden read(const char* file) {
  std::ifstream in(file);
  Golden golden;
  EngineSpec& spec = golden.spec;
  golden.name = next<std::string>(in);
  spec.ranks = next<int>(in);
  golden.tolerance = next<double>(in);
  ModelShape& shape = spec.shape;
  in >> shape.hidden >> shape.inner >> shape.states >> shape.taps >> shape.dt_rank >> shape.layers >> shape.vocabulary;
  in >> shape.epsilon >> shape.mixer_heads >> shape.ssm_epsilon >> shape.hybrid_layers >> shape.kv_heads;
  shape.head_dim = next<int64_t>(in);
  for (auto count = next<size_t>(in); count > 0; --count) spec.files.push_back(next<std::string>(in));
  for (auto count = next<size_t>(in); count > 0; --count) spec.tensors.push_back(tensor(in, spec.ranks));
  golden.tokens = list(in);
  golden.greedy = list(in);
  const auto expected = next<std::string>(in);
  const auto offset = next<int64_t>(in);
  golden.logits.resize(golden.tokens.size() * shape.vocabulary);
  std::ifstream values(expected, std::ios::binary);
  values.seekg(offset);
  const auto bytes = static_cast<std::streamsize>(golden.logits.size() * sizeof(float));
  if (!values.read(reinterpret_cast<char*>(golden.logits.data()), bytes)) {
    throw Error("E_PLAN", expected + " is missing or too short");
  }
  shape.context = static_cast<int64_t>(golden.tokens.size() + golden.greedy.size()) + 1;
  spec.device = DeviceKind::cuda;
  spec.gpus.assign(spec.ranks, 0);
  spec.max_tokens = 1024;
  return golden;
}

double largest_error(const std::vector<float>& actual, const std::vector<float>& expected) {
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

bool holds(const char* file) {
  const Golden golden = read(file);
  RunningEngine engine(golden.spec);
  double worst = 0;
  for (const int64_t chunk : {1024, 7, 1}) {
    worst = std::max(worst, largest_error(engine.forward(input(golden.tokens, chunk)), golden.logits));
  }
  GenerateOptions options;
  options.max_new_tokens = static_cast<int64_t>(golden.greedy.size());
  const bool tokens = engine.generate(input(golden.tokens, 1024), options).tokens == golden.greedy;
  const bool fine = worst <= golden.tolerance && tokens;
  std::printf("%s  %s on %d ranks: largest error %.1e of %.0e, greedy tokens %s\n", fine ? "ok    " : "FAILED",
              golden.name.c_str(), golden.spec.ranks, worst, golden.tolerance, tokens ? "equal" : "DIFFER");
  std::fflush(stdout);
  return fine;
}

}  // namespace

int main(int count, char** arguments) {
  int failed = count < 2;
  for (int i = 1; i < count; ++i) {
    try {
      failed += !holds(arguments[i]);
    } catch (const Error& error) {
      std::printf("FAILED  %s: %s: %s\n", arguments[i], error.code.c_str(), error.message.c_str());
      ++failed;
    }
  }
  std::printf("%d of %d golden cases fail\n", failed, count - 1);
  return failed > 0;
}
