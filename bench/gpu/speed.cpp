// Time to first token, prefill and decode rates of random weights in published shapes, on one GPU: JSON on stdout.
// --dry-run takes a tiny shape instead, to see that the program works where there is no GPU.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/cuda/gpus.h"
#include "runtime/error.h"
#include "test/runtime/random_model.h"
#include "test/runtime/running_engine.h"

namespace {

using namespace stateline;
using namespace stateline::test;

struct Shape {
  const char* name;
  ModelShape shape;
  int64_t prompt;
  int64_t new_tokens;
};

const Shape kTiny = {
    "tiny", {.hidden = 48, .inner = 96, .states = 8, .taps = 4, .dt_rank = 5, .layers = 2, .vocabulary = 301}, 16, 4};
const Shape kPublished[] = {
    {"mamba-130m",
     {.hidden = 768, .inner = 1536, .states = 16, .taps = 4, .dt_rank = 48, .layers = 24, .vocabulary = 50280},
     512,
     128},
    {"mamba-2.8b",
     {.hidden = 2560, .inner = 5120, .states = 16, .taps = 4, .dt_rank = 160, .layers = 64, .vocabulary = 50280},
     512,
     128},
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void measure(const Shape& each, int ranks, int rounds, bool last) {
  RandomModelOptions options;
  options.shape = each.shape;
  options.dtype = DType::bf16;
  const RandomModel model(options);
  EngineSpec spec = model.spec(ranks);
  spec.device = DeviceKind::cuda;
  spec.gpus.assign(ranks, 0);
  spec.compute_type = ComputeType::bf16;
  spec.max_tokens = each.prompt;
  RunningEngine engine(spec);
  GenerateOptions generation;
  generation.max_new_tokens = each.new_tokens;
  std::vector<double> ttft, prefill, decode;
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    const auto result =
        engine.generate(input(random_tokens(each.prompt, each.shape.vocabulary, round + 2), each.prompt), generation);
    if (round < 0) continue;
    ttft.push_back(static_cast<double>(result.ttft_ns) * 1e-6);
    prefill.push_back(static_cast<double>(each.prompt) * 1e9 / static_cast<double>(result.prefill_ns));
    decode.push_back(static_cast<double>(each.new_tokens - 1) * 1e9 / static_cast<double>(result.decode_ns));
  }
  std::printf(
      "  {\"model\": \"%s\", \"ranks\": %d, \"compute\": \"bf16\", \"promptTokens\": %lld, \"newTokens\": %lld, "
      "\"rounds\": %d, \"weightBytes\": %zu, \"ttftMs\": %.3f, \"prefillTokensPerSecond\": %.1f, "
      "\"decodeTokensPerSecond\": %.1f}%s\n",
      each.name, ranks, static_cast<long long>(each.prompt), static_cast<long long>(each.new_tokens), rounds,
      engine.engine().memory()[0].weights, median(ttft), median(prefill), median(decode), last ? "" : ",");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const bool dry = count > 1 && std::strcmp(arguments[1], "--dry-run") == 0;
  try {
    const CudaSummary summary = cuda_summary();
    if (!summary.problem.empty()) throw Error("E_CUDA", summary.problem);
    std::printf("{\"gpu\": \"%s\", \"memoryBytes\": %lld, \"dryRun\": %s, \"runs\": [\n",
                summary.gpus.front().name.c_str(), static_cast<long long>(summary.gpus.front().memory),
                dry ? "true" : "false");
    if (dry) {
      measure(kTiny, 1, 1, false);
      measure(kTiny, 2, 1, true);
    } else {
      for (const Shape& each : kPublished) {
        for (const int ranks : {1, 2, 4}) measure(each, ranks, 5, &each == std::end(kPublished) - 1 && ranks == 4);
      }
    }
    std::printf("]}\n");
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", error.code.c_str(), error.message.c_str());
    return 1;
  }
}
