// Time to first token, prefill and decode rates of random weights in published shapes, on one GPU: rows of JSON on
// stdout. Arguments: names of shapes, else all. --dry-run takes tiny shapes instead, to see that the program works
// where there is no GPU. --trace FILE keeps a short recorded generation on two ranks, which `stateline import` opens.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "attempts.h"
#include "runtime/cuda/gpus.h"
#include "runtime/error.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "trace/names.h"

namespace {

using namespace stateline;
using namespace stateline::test;

struct Shape {
  const char* name;
  RandomModelOptions model;
  int64_t prompt, new_tokens;
  std::vector<int> ranks;
};

RandomModelOptions plain(int64_t hidden, int64_t layers, int64_t vocabulary, float ssm_epsilon = 0) {
  RandomModelOptions options;
  options.shape = {.hidden = hidden,
                   .inner = 2 * hidden,
                   .states = 16,
                   .taps = 4,
                   .dt_rank = hidden / 16,
                   .layers = layers,
                   .vocabulary = vocabulary};
  options.shape.ssm_epsilon = ssm_epsilon;
  options.dtype = DType::bf16;
  options.repeats = true;
  return options;
}

// Attention as wide as the mixer; layer 2 and every sixth from 7 on are hybrid.
RandomModelOptions zamba(int64_t hidden, int64_t layers, int64_t vocabulary, int64_t heads) {
  RandomModelOptions options = plain(hidden, layers, vocabulary);
  options.hybrid = [](int layer) { return layer == 2 || (layer > 2 && (layer - 3) % 6 == 4); };
  options.shape.mixer_heads = 2;
  for (int layer = 0; layer < layers; ++layer) options.shape.hybrid_layers += options.hybrid(layer);
  options.shape.kv_heads = options.query_heads = heads;
  options.shape.head_dim = 2 * hidden / heads;
  options.shape.context = 1024;
  options.mlp = 4 * hidden;
  return options;
}

const std::vector<Shape> kTiny = {{"tiny-mamba", plain(48, 2, 301), 8, 4, {1, 2}},
                                  {"tiny-zamba", zamba(48, 3, 301, 4), 6, 4, {2}}};
const std::vector<Shape> kPublished = {{"mamba-130m", plain(768, 24, 50280), 512, 128, {1, 2, 4}},
                                       {"mamba-2.8b", plain(2560, 64, 50280), 512, 128, {1, 2, 4}},
                                       {"falcon-mamba-7b", plain(4096, 64, 65024, 1e-6f), 512, 64, {1, 2}},
                                       {"zamba-7b", zamba(3712, 76, 32000, 16), 512, 64, {1, 2}}};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

EngineSpec on_gpu(const RandomModel& model, int ranks, const Shape& shape) {
  EngineSpec spec = model.spec(ranks);
  spec.device = DeviceKind::cuda;
  spec.gpus.assign(ranks, 0);
  spec.compute_type = ComputeType::bf16;
  spec.max_tokens = shape.prompt;
  spec.verify_collectives = false;
  return spec;
}

GenerateResult generate(RunningEngine& engine, const Shape& shape, int round) {
  GenerateOptions options;
  options.max_new_tokens = shape.new_tokens;
  return engine.generate(input(random_tokens(shape.prompt, shape.model.shape.vocabulary, round + 2), shape.prompt),
                         options);
}

double decode_rate(const GenerateResult& result) {
  return static_cast<double>(result.tokens.size() - 1) * 1e9 / static_cast<double>(result.decode_ns);
}

// With graphs, without, and recorded take turns, so that what else the machine does meets all alike.
void measure(const Shape& shape, const RandomModel& model, int ranks, int rounds, bool cublas) {
  EngineSpec spec = on_gpu(model, ranks, shape);
  RunningEngine graphs(spec);
  std::vector<double> ttft, prefill, decode, launches, recorded;
  int64_t spans = 0;
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    const auto result = generate(graphs, shape, round);
    graphs.engine().record(true, 1 << 18);
    const auto traced = generate(graphs, shape, round);
    graphs.engine().record(false, 0);
    const auto drained = graphs.engine().drain();
    if (round < 0) continue;
    ttft.push_back(static_cast<double>(result.ttft_ns) * 1e-6);
    prefill.push_back(static_cast<double>(shape.prompt) * 1e9 / static_cast<double>(result.prefill_ns));
    decode.push_back(decode_rate(result));
    recorded.push_back(decode_rate(traced));
    spans = static_cast<int64_t>(drained.ranks[0].size());
  }
  const int64_t graph_steps = graphs.engine().repeated_steps();
  const size_t weights = graphs.engine().memory()[0].weights;
  spec.graphs = false;
  {
    RunningEngine single(spec);
    for (int round = -1; round < rounds; ++round) {
      const auto result = generate(single, shape, round);
      if (round >= 0) launches.push_back(decode_rate(result));
    }
  }
  static bool first = true;
  std::printf(
      "%s\n  {\"model\": \"%s\", \"ranks\": %d, \"compute\": \"bf16\", \"cublas\": %s, \"promptTokens\": %lld, "
      "\"newTokens\": %lld, "
      "\"rounds\": %d, \"weightBytes\": %zu, \"ttftMs\": %.3f, \"prefillTokensPerSecond\": %.1f, "
      "\"decodeTokensPerSecond\": %.1f, \"withoutGraphs\": %.1f, \"recorded\": %.1f, \"graphSteps\": %lld, "
      "\"spans\": %lld}",
      first ? "" : ",", shape.name, ranks, cublas ? "true" : "false", static_cast<long long>(shape.prompt),
      static_cast<long long>(shape.new_tokens), rounds, weights, median(ttft), median(prefill), median(decode),
      median(launches), median(recorded), static_cast<long long>(graph_steps), static_cast<long long>(spans));
  std::fflush(stdout);
  first = false;
}

// One span a line, as Chrome's and PyTorch's traces have them; parts of a collective are left out.
void write_trace(const DrainedSpans& drained, const std::string& file, const std::string& title,
                 const std::string& gpu) {
  std::ofstream out(file);
  out << "{\"traceName\": \"" << title << "\", \"deviceProperties\": [{\"name\": \"" << gpu
      << "\"}], \"traceEvents\": [";
  uint64_t origin = UINT64_MAX;
  for (const auto& spans : drained.ranks) {
    for (const Span& span : spans) origin = std::min(origin, span.begin);
  }
  bool first = true;
  for (size_t rank = 0; rank < drained.ranks.size(); ++rank) {
    for (const Span& span : drained.ranks[rank]) {
      const bool part = span.op >= Op::quantise && span.op <= Op::dequantise;
      if (part) continue;
      const bool host = span.stream == Stream::host, step = span.op == Op::step;
      const bool sum = span.op >= Op::all_reduce_x_proj && span.op <= Op::gather_logits;
      const std::string name = step           ? "ProfilerStep#" + std::to_string(span.step)
                               : sum && !host ? "ncclDevKernel_" + std::string(name_of(span.op))
                                              : std::string(name_of(span.op));
      out << (first ? "\n" : ",\n") << "{\"ph\": \"X\", \"cat\": \""
          << (step   ? "user_annotation"
              : host ? "cpu_op"
                     : "kernel")
          << "\", \"name\": \"" << name << "\", \"pid\": " << (host ? 100000 : 0) + rank
          << ", \"tid\": " << static_cast<int>(span.stream)
          << ", \"ts\": " << static_cast<double>(span.begin - origin) * 1e-3
          << ", \"dur\": " << static_cast<double>(span.end - span.begin) * 1e-3 << ", \"args\": {\"phase\": \""
          << phase_names()[static_cast<size_t>(span.phase)] << "\", \"step\": " << span.step
          << ", \"layer\": " << span.layer << ", \"tokens\": " << span.tokens << ", \"flops\": " << span.flops
          << ", \"bytes\": " << span.bytes;
      if (sum) {
        out << ", \"Wire type\": \"" << name_of(span.wire_type) << "\", \"Algorithm\": \""
            << algorithm_names()[static_cast<size_t>(span.algorithm)] << "\", \"Wire bytes\": " << span.wire_bytes
            << ", \"Seq\": " << span.seq;
      }
      out << "}}";
      first = false;
    }
  }
  out << "\n]}\n";
  if (!out.flush()) throw Error("E_FILE", "cannot write " + file);
}

void record(Shape shape, const std::string& file, const std::string& gpu) {
  shape.prompt = std::min<int64_t>(shape.prompt, 64);
  shape.new_tokens = 4;
  const RandomModel model(shape.model);
  EngineSpec spec = on_gpu(model, 2, shape);
  spec.wires.steps = {{0, WireType::int8}};
  RunningEngine engine(spec);
  generate(engine, shape, 0);
  engine.engine().record(true, 1 << 16);
  generate(engine, shape, 1);
  write_trace(engine.engine().drain(), file, std::string(shape.name) + ", 2 ranks, int8", gpu);
}

}  // namespace

int main(int count, char** arguments) {
  bool dry = false;
  std::string trace;
  std::vector<std::string> chosen;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--dry-run") {
      dry = true;
    } else if (argument == "--trace" && i + 1 < count) {
      trace = arguments[++i];
    } else {
      chosen.push_back(argument);
    }
  }
  Attempts attempt;
  attempt("GPUs", [&] {
    const CudaSummary summary = cuda_summary();
    if (!summary.problem.empty()) throw Error(summary.compiled ? "E_CUDA" : "E_CUDA_NOT_BUILT", summary.problem);
    const std::vector<Shape>& shapes = dry ? kTiny : kPublished;
    std::printf("[");
    for (const Shape& shape : shapes) {
      if (!chosen.empty() && std::ranges::find(chosen, shape.name) == chosen.end()) continue;
      const RandomModel model(shape.model);
      for (const int ranks : shape.ranks) {
        attempt(std::string(shape.name) + " on " + std::to_string(ranks) + " ranks",
                [&] { measure(shape, model, ranks, dry ? 1 : 5, !summary.cublas.empty()); });
      }
    }
    std::printf("\n]\n");
    if (!trace.empty()) record(shapes.front(), trace, summary.gpus.front().name);
  });
  return attempt.failed > 0;
}
