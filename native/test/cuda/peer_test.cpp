#include <thread>

#include "test/cuda/fixture.h"
#include "test/cuda/wire.h"

namespace stateline::test {
namespace {

// Ranks as threads, each with counters and staging that all map.
class Group {
 public:
  Group(int ranks, int64_t staging) {
    for (int r = 0; r < ranks; ++r) {
      counters_.push_back(std::make_unique<Memory<uint32_t>>(std::vector<uint32_t>(cuda::peer_counters())));
      staging_.push_back(std::make_unique<Memory<std::byte>>(std::vector<std::byte>(staging)));
    }
  }
  std::vector<uint32_t> counters(int rank) const { return counters_[rank]->get(); }
  cuda::PeerGroup of(int rank) const {
    cuda::PeerGroup group;
    group.rank = rank;
    group.ranks = static_cast<int32_t>(counters_.size());
    for (size_t r = 0; r < counters_.size(); ++r) {
      group.counters[r] = counters_[r]->data();
      group.staging[r] = staging_[r]->data();
    }
    group.staging_bytes = static_cast<int64_t>(staging_[0]->get().size());
    return group;
  }

 private:
  std::vector<std::unique_ptr<Memory<uint32_t>>> counters_;
  std::vector<std::unique_ptr<Memory<std::byte>>> staging_;
};

TEST("CUDA peer AllReduce gives the CPU's bits on every rank, call after call, for every wire and number of ranks") {
  auto generator = random(180);
  struct Call {
    int64_t rows, columns;
    int wire;
    bool two_shot;
  };
  std::vector<Call> calls;
  for (int wire = 0; wire < 4; ++wire) {
    for (const bool two_shot : {false, true}) {
      calls.push_back({3, 700, wire, two_shot});
      calls.push_back({1, 5, wire, two_shot});
    }
  }
  for (const int ranks : {1, 2, 3}) {
    const Context context(text(ranks) + " ranks");
    const Group group(ranks, cuda::peer_staging(3, 700, cuda::Wire::f32, 128));
    std::vector<std::vector<std::vector<float>>> inputs;  // by call, by rank
    std::vector<std::vector<float>> expected;
    for (const Call& call : calls) {
      inputs.emplace_back();
      for (int r = 0; r < ranks; ++r) inputs.back().push_back(normal(generator, call.rows * call.columns));
      const CpuSums sums = cpu_sums(inputs.back(), call.rows, call.columns, kWires[call.wire], 128);
      expected.push_back(call.two_shot ? sums.two_shot : sums.one_shot);
    }
    // All memory before the first kernel: an allocation may wait for kernels, and those for each other. For the same
    // reason one rank is alone at first, so that GPUs have loaded the kernels when several run.
    std::vector<std::vector<std::unique_ptr<Rows>>> values(ranks);
    for (int rank = 0; rank < ranks; ++rank) {
      for (size_t i = 0; i < calls.size(); ++i) {
        values[rank].push_back(std::make_unique<Rows>(inputs[i][rank], calls[i].columns, 1));
      }
    }
    std::vector<cudaStream_t> streams(ranks);  // one each: kernels of one stream would wait for each other's end
    for (cudaStream_t& stream : streams) CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    std::vector<cudaError_t> errors(ranks, cudaSuccess);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank) {
      threads.emplace_back([&, rank] {
        for (size_t i = 0; i < calls.size(); ++i) {
          const cuda::Payload payload{values[rank][i]->view(), kWires[calls[i].wire], 128};
          const auto reduce = calls[i].two_shot ? cuda::two_shot : cuda::one_shot;
          if (const cudaError_t error = reduce(group.of(rank), payload, streams[rank])) errors[rank] = error;
        }
        if (const cudaError_t error = cudaStreamSynchronize(streams[rank])) errors[rank] = error;
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const cudaStream_t stream : streams) cudaStreamDestroy(stream);
    for (int rank = 0; rank < ranks; ++rank) {
      CHECK_EQUAL(errors[rank], cudaSuccess);
      for (size_t i = 0; i < calls.size(); ++i) {
        const Context which("call " + text(i));
        CHECK(same(values[rank][i]->get(), expected[i]));
      }
    }
  }
}

TEST("a CUDA peer AllReduce that is told to stop ends, and its counters name the ranks that did not come") {
  const Group group(3, cuda::peer_staging(1, 256, cuda::Wire::f32, 128));
  cuda::PeerGroup own = group.of(1);
  const Memory<uint32_t> stop({1u});
  own.stop = stop.data();
  Rows values(1, 256, 0);
  CHECK_CUDA(cuda::one_shot(own, {values.view(), cuda::Wire::f32, 128}, nullptr));
  CHECK(cuda::peers_missing(group.counters(1).data(), 1, 3) == (std::vector<int>{0, 2}));
}

TEST("a CUDA peer AllReduce refuses a message that its staging cannot hold") {
  const Group group(2, cuda::peer_staging(1, 256, cuda::Wire::f32, 128));
  Rows values(2, 256, 0);
  CHECK_EQUAL(cuda::one_shot(group.of(0), {values.view(), cuda::Wire::f32, 128}, nullptr), cudaErrorInvalidValue);
}

}  // namespace
}  // namespace stateline::test
