// What an AllReduce costs between ranks on GPUs, by link, wire and size: several ranks on one GPU, a GPU each over peer
// memory (by flags where small, by events), a GPU each over NCCL where it can be opened. JSON on stdout; --dry-run
// takes few small sizes, to see that the program works where there is no GPU.
//
// `us` puts sums on the streams one by one, as prefill does; `graphUs` launches a graph of them, as decode does. The
// bandwidths are of the faster one, by the definitions of nccl-tests: algGbPerSecond is bytes / time, busGbPerSecond
// that times 2(P-1)/P, with `bytes` of the f32 values whatever the wire, so that wires compare.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "attempts.h"
#include "comm/cuda/peer_memory.h"
#include "comm/nccl/nccl_group.h"
#include "device/cuda/gpus.h"
#include "runtime/cuda/step_graphs.h"
#include "runtime/job_queue.h"
#include "trace/clock.h"
#include "trace/names.h"

namespace {

using namespace stateline;

struct Sizes {
  std::vector<int64_t> values;
  int rounds, sums;  // sums of a round and of a graph
};
const Sizes kReal = {{1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24}, 9, 20};
const Sizes kTiny = {{1 << 8, 1 << 10}, 1, 2};
constexpr WireType kWires[] = {WireType::f32, WireType::f16, WireType::bf16, WireType::int8};
constexpr int32_t kGroup = 128;

struct Link {
  std::string name;
  std::vector<int> gpus;  // of each rank
  int64_t at_once = 0;    // values
  bool nccl = false;
  bool apart() const { return nccl || at_once > 0; }
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

class Bench {
 public:
  Bench(const Sizes& sizes, const Link& link) : sizes_(sizes), link_(link), options_(options()), group_(group()) {}

  // One line a wire and size.
  void run(bool& first) {
    std::exception_ptr failure;
    std::mutex failed;
    std::vector<std::thread> threads;
    for (int rank = 0; rank < options_.ranks; ++rank) {
      threads.emplace_back([&, rank] {
        try {
          measure(rank, first);
        } catch (...) {
          group_->abort(std::current_exception());
          const std::lock_guard lock(failed);
          keep_first(failure, std::current_exception());
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
  }

 private:
  InProcessOptions options() const {
    InProcessOptions options;
    options.ranks = options.threads = static_cast<int>(link_.gpus.size());
    options.message_bytes = Message({nullptr, 1, sizes_.values.back(), sizes_.values.back()}, {}).bytes();
    return options;
  }
  std::unique_ptr<Group> group() const {
    if (link_.nccl) return std::make_unique<NcclGroup>(options_, link_.gpus);
    return std::make_unique<PeerMemoryGroup>(options_, link_.gpus, link_.at_once);
  }

  void measure(int rank, bool& first) {
    const auto device = make_cuda_device({.rank = rank, .gpu = link_.gpus[rank], .max_tokens = 1});
    Recorder recorder;  // off
    const auto communicator = group_->join(rank, *device, recorder);
    const auto graphs = graphs_.join(*device, *communicator);
    const int64_t most = sizes_.values.back();
    const auto memory = device->allocate(most, "a benchmark");  // zeros: sums of sums stay finite
    for (const WireType wire : kWires) {
      for (const int64_t count : sizes_.values) {
        const View<float> values{memory->data(), 1, count, count};
        const auto sums = [&] {
          for (int i = 0; i < sizes_.sums; ++i) {
            communicator->all_reduce(values, {wire, kGroup}, Op::all_reduce_out_proj);
          }
        };
        const int64_t before = communicator->sent();
        const double single = time(*device, *communicator, sums);
        const int64_t sent = (communicator->sent() - before) / (sizes_.sums * (sizes_.rounds + 1));
        // Over peer memory large sums meet on the host, which ranks with graphs of their own cannot.
        const bool repeats = !link_.apart() || link_.nccl || count <= link_.at_once;
        const int64_t key = count * 8 + static_cast<int64_t>(wire);
        const double graph = repeats ? time(
                                           *device, *communicator, [&] { graphs->run(key, sums); }, 2)
                                     : single;
        if (rank == 0) print(wire, count, sent, single, repeats ? graph : -1, first);
      }
    }
    device->settle();
    communicator->barrier();
    graphs->forget();
  }

  // Microseconds of one sum, after `warm` runs.
  template <class Run>
  double time(CudaDevice& device, Communicator& communicator, Run run, int warm = 1) const {
    std::vector<double> microseconds;
    for (int round = -warm; round < sizes_.rounds; ++round) {
      communicator.barrier();
      const int64_t begin = monotonic_ns();
      run();
      device.wait(device.compute());
      const auto took = static_cast<double>(monotonic_ns() - begin);
      if (round >= 0) microseconds.push_back(took * 1e-3 / sizes_.sums);
    }
    return median(std::move(microseconds));
  }

  void print(WireType wire, int64_t count, int64_t sent, double single, double graph, bool& first) const {
    const double us = std::max(1e-3, graph > 0 ? std::min(single, graph) : single), ranks = options_.ranks;
    const double bandwidth = static_cast<double>(count * 4) / us * 1e-3;
    std::printf("%s\n  {\"link\": \"%s\", \"ranks\": %d, \"wire\": \"%s\", \"bytes\": %lld, \"wireBytes\": %lld, ",
                first ? "" : ",", link_.name.c_str(), options_.ranks, std::string(name_of(wire)).c_str(),
                static_cast<long long>(count * 4), static_cast<long long>(sent));
    std::printf("\"us\": %.2f, \"graphUs\": %s, \"algGbPerSecond\": %.3f, \"busGbPerSecond\": %.3f}", single,
                graph > 0 ? std::to_string(graph).c_str() : "null", bandwidth, bandwidth * 2 * (ranks - 1) / ranks);
    std::fflush(stdout);
    first = false;
  }

  const Sizes& sizes_;
  const Link& link_;
  InProcessOptions options_;
  std::unique_ptr<Group> group_;
  cuda::StepGraphs graphs_{options_.ranks, link_.apart() ? INT64_MAX : 0};
};

std::vector<Link> links(int gpus) {
  std::vector<Link> all;
  for (const int ranks : {2, 4}) all.push_back({"shared", std::vector<int>(ranks, 0)});
  bool has_nccl = true;
  try {
    nccl::Library::open();
  } catch (const Error& error) {
    std::fprintf(stderr, "sums over NCCL were not timed: %s\n", error.message.c_str());
    has_nccl = false;
  }
  for (const int ranks : {2, 4, 8}) {
    if (ranks > gpus) break;
    std::vector<int> own(ranks);
    for (int rank = 0; rank < ranks; ++rank) own[rank] = rank;
    if (PeerMemoryGroup::serves(own)) {
      all.push_back({"peer flags", own, PeerMemoryGroup::at_once_values(own)});
      all.push_back({"peer events", own});
    }
    if (has_nccl) all.push_back({"nccl", own, 0, true});
  }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  const bool dry = count > 1 && std::strcmp(arguments[1], "--dry-run") == 0;
  Attempts attempt;
  attempt("GPUs", [&] {
    const auto gpus = static_cast<int>(cuda::require_gpus().gpus.size());
    if (gpus < 2) std::fprintf(stderr, "sums between GPUs were not timed: there is one GPU\n");
    std::printf("[");
    bool first = true;
    for (const Link& link : links(gpus)) {
      attempt(link.name + ", " + std::to_string(link.gpus.size()) + " ranks",
              [&] { Bench(dry ? kTiny : kReal, link).run(first); });
    }
    std::printf("\n]\n");
  });
  return attempt.failed > 0;
}
