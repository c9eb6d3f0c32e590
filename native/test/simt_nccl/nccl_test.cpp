// Ranks on NCCL: what they send and sum, what is wrong with the library, what happens when it fails.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>

#include "comm/cuda/peer_memory.h"
#include "comm/nccl/nccl_group.h"
#include "runtime/cuda/step_graphs.h"
#include "runtime/error.h"
#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "trace/names.h"

namespace stateline::test {
namespace {

using Values = std::vector<float>;

constexpr int64_t kAtOnce = 1 << 18;

void choose(const char* file) {
  setenv("STATELINE_NCCL", file, 1);
  setenv("STATELINE_SIMT_DEVICES", "4", 1);
}

std::vector<int> first_gpus(int ranks) {
  std::vector<int> gpus(ranks);
  for (int rank = 0; rank < ranks; ++rank) gpus[rank] = rank;
  return gpus;
}

InProcessOptions group_of(int ranks) {
  InProcessOptions options;
  options.ranks = ranks;
  options.threads = ranks;
  options.message_bytes = 1 << 16;
  options.two_shot_from = 0;
  return options;
}

// A matrix in a GPU's memory.
struct OnGpu {
  OnGpu(CudaDevice& device, Values values, int64_t rows)
      : device(device), values(std::move(values)), memory(device.allocate(this->values.size())) {
    const auto columns = static_cast<int64_t>(this->values.size()) / rows;
    view = {memory->data(), rows, columns, columns};
    device.upload(View<const float>{this->values.data(), rows, columns, columns}, view);
  }
  Values get() {
    device.download(view, {values.data(), view.rows, view.columns, view.columns});
    return values;
  }

  CudaDevice& device;
  Values values;
  std::unique_ptr<Buffer> memory;
  View<float> view;
};

// Runs `body` on every rank's thread and GPU; gives the code of what each threw, "" for nothing.
std::vector<std::string> on_ranks(Group& group, int ranks,
                                  const std::function<void(Communicator&, CudaDevice&)>& body) {
  std::vector<std::string> codes(ranks);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        const auto device = make_cuda_device({.rank = rank, .gpu = rank, .max_tokens = 1});
        Recorder recorder;
        const auto communicator = group.join(rank, *device, recorder);
        body(*communicator, *device);
        communicator->barrier();  // others may still read this rank's memory
      } catch (const Error& error) {
        codes[rank] = error.code;
        group.abort(std::current_exception());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return codes;
}

// A rank's part of a body in which ranks fail: who fails releases the others, and no rank goes on to free what another
// still works with.
void together(Group& group, Communicator& communicator, std::barrier<>& ended, const std::function<void()>& part) {
  std::exception_ptr failure;
  try {
    part();
  } catch (const Error&) {
    failure = std::current_exception();
    group.abort(failure);
    communicator.release();
  }
  ended.arrive_and_wait();
  if (failure) std::rethrow_exception(failure);
}

Values partial(int rank, size_t count) {
  auto generator = random(40 + rank);
  std::normal_distribution<float> normal;
  Values values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

// What each rank holds after `collective` of 3 rows of 200 values.
std::vector<Values> outcome(Group& group, int ranks,
                            const std::function<void(Communicator&, View<float>)>& collective) {
  std::vector<Values> all(ranks);
  const auto codes = on_ranks(group, ranks, [&](Communicator& communicator, CudaDevice& device) {
    for (int turn = 0; turn < 2; ++turn) {
      OnGpu values(device, partial(communicator.rank(), 600), 3);
      communicator.barrier();  // memory of the turn before is given back: that may wait for all GPUs
      collective(communicator, values.view);
      all[communicator.rank()] = values.get();
    }
  });
  for (const std::string& code : codes) CHECK_EQUAL(code, std::string());
  return all;
}

void check_same(const std::vector<Values>& actual, const std::vector<Values>& expected) { CHECK(actual == expected); }

TEST("f32 and int8 sums over NCCL are the bits of those over peer memory, the same on 2, 3 and 4 ranks") {
  choose(NCCL_WORKING);
  for (const int ranks : {2, 3, 4}) {
    for (const WireType wire : {WireType::f32, WireType::int8}) {
      const Context context(std::string(name_of(wire)) + " on " + text(ranks) + " ranks");
      const auto sum = [&](Communicator& communicator, View<float> values) {
        communicator.all_reduce(values, {wire, 64}, Op::all_reduce_out_proj);
      };
      auto options = group_of(ranks);
      NcclGroup nccl(options, first_gpus(ranks));
      // Two ranks take the sums at once from peers, which for int8 leaves out a step of the codec.
      if (ranks == 2 && wire == WireType::int8) {
        const auto sums = outcome(nccl, ranks, sum);
        CHECK(sums[0] == sums[1]);
        continue;
      }
      PeerMemoryGroup peers(options, first_gpus(ranks), kAtOnce);
      check_same(outcome(nccl, ranks, sum), outcome(peers, ranks, sum));
    }
  }
}

TEST("f16 and bf16 sums over NCCL are the same on all ranks, and wrong by the wire's rounding alone") {
  choose(NCCL_WORKING);
  for (const WireType wire : {WireType::f16, WireType::bf16}) {
    NcclGroup group(group_of(3), first_gpus(3));
    const auto sums = outcome(group, 3, [&](Communicator& communicator, View<float> values) {
      communicator.all_reduce(values, {wire, 64}, Op::all_reduce_out_proj);
    });
    const Values parts[] = {partial(0, 600), partial(1, 600), partial(2, 600)};
    const float unit = wire == WireType::f16 ? 0x1p-11f : 0x1p-8f;
    for (size_t i = 0; i < 600; ++i) {
      const float exact = parts[0][i] + parts[1][i] + parts[2][i];
      const float size = std::abs(parts[0][i]) + std::abs(parts[1][i]) + std::abs(parts[2][i]);
      CHECK(std::abs(sums[0][i] - exact) <= 3 * unit * size + 1e-6f);
    }
    CHECK(sums[0] == sums[1] && sums[1] == sums[2]);
  }
}

TEST("reduce, broadcast and gather over NCCL leave what they leave over peer memory") {
  choose(NCCL_WORKING);
  const std::function<void(Communicator&, View<float>)> collectives[] = {
      [](Communicator& communicator, View<float> values) {
        communicator.reduce(values, 2, {WireType::int8, 64}, Op::all_reduce_out_proj);
      },
      [](Communicator& communicator, View<float> values) {
        communicator.broadcast(values, 1, Op::all_reduce_out_proj);
      },
      [](Communicator& communicator, View<float> values) {  // the first rows of all, on rank 0
        communicator.gather(values.rows_from(communicator.rank() == 0 ? 0 : 2, 1), values, 0, Op::all_reduce_out_proj);
      },
  };
  for (const auto& collective : collectives) {
    NcclGroup nccl(group_of(3), first_gpus(3));
    PeerMemoryGroup peers(group_of(3), first_gpus(3), kAtOnce);
    check_same(outcome(nccl, 3, collective), outcome(peers, 3, collective));
  }
}

TEST("an NCCL that is missing, too old or lacks a function is refused by name, with what to install") {
  const struct {
    const char* file;
    const char* code;
    const char* names;
  } cases[] = {{"/nowhere/libnccl.so.2", "E_NCCL_MISSING", "/nowhere/libnccl.so.2"},
               {NCCL_OLD, "E_NCCL_OLD", "2.12.3"},
               {NCCL_PARTIAL, "E_NCCL_SYMBOL", "ncclGetLastError"}};
  for (const auto& each : cases) {
    choose(each.file);
    std::string code, message;
    try {
      NcclGroup(group_of(2), {0, 1});
    } catch (const Error& error) {
      code = error.code;
      message = error.message;
    }
    CHECK_EQUAL(code, std::string(each.code));
    CHECK(message.find(each.names) != std::string::npos);
    CHECK(message.find("pip install nvidia-nccl-cu13") != std::string::npos);
  }
}

TEST("ranks that share a GPU are refused, since NCCL would not serve them") {
  choose(NCCL_WORKING);
  CHECK_THROWS(NcclGroup(group_of(3), {0, 1, 0}), "E_OPTION");
}

TEST("ranks that meet in sums of different sizes are told so, by flags and on NCCL") {
  choose(NCCL_WORKING);
  PeerMemoryGroup peers(group_of(2), first_gpus(2), kAtOnce);
  NcclGroup nccl(group_of(2), first_gpus(2));
  for (Group* group : std::initializer_list<Group*>{&peers, &nccl}) {
    const Context context(group == &nccl ? "NCCL" : "flags");
    const auto codes = on_ranks(*group, 2, [](Communicator& communicator, CudaDevice& device) {
      OnGpu values(device, partial(communicator.rank(), 100), 1);
      values.view.columns -= communicator.rank();
      communicator.all_reduce(values.view, {}, Op::all_reduce_out_proj);
    });
    for (const std::string& code : codes) CHECK(code == "E_COLLECTIVE_MISMATCH" || code == "E_COLLECTIVE_ABORTED");
    CHECK(std::ranges::count(codes, "E_COLLECTIVE_MISMATCH") > 0);
  }
}

TEST("a collective that NCCL fails ends on all ranks, and the group serves again after a reset") {
  choose(NCCL_WORKING);
  const std::pair<const char*, WireType> cases[] = {{"ncclCommInitRankConfig", WireType::f32},
                                                    {"ncclCommInitRankConfig:1", WireType::f32},
                                                    {"ncclCommGetAsyncError", WireType::f32},
                                                    {"ncclAllReduce", WireType::f32},
                                                    {"ncclSend", WireType::int8},
                                                    {"ncclGroupEnd", WireType::int8}};
  for (const auto& [name, wire] : cases) {
    const Context context(name);
    NcclGroup group(group_of(2), {0, 1});
    const auto sum = [wire](Communicator& communicator, CudaDevice& device) {
      OnGpu values(device, partial(communicator.rank(), 100), 1);
      communicator.all_reduce(values.view, {wire, 64}, Op::all_reduce_out_proj);
    };
    setenv("FAKE_NCCL_FAIL", name, 1);
    const auto codes = on_ranks(group, 2, sum);  // whoever fails first releases the other
    CHECK(std::ranges::count(codes, "E_NCCL") > 0);
    CHECK(std::ranges::count(codes, "") == 0);
    unsetenv("FAKE_NCCL_FAIL");
    group.reset();
    for (const std::string& code : on_ranks(group, 2, sum)) CHECK_EQUAL(code, std::string());
  }
}

TEST("a rank that fails releases those that wait for it in a GPU's memory, and the group serves again after a reset") {
  choose(NCCL_WORKING);
  PeerMemoryGroup group(group_of(3), first_gpus(3), kAtOnce);
  bool failing = true;
  std::barrier ended(3);
  const auto sums = [&](Communicator& communicator, CudaDevice& device) {
    OnGpu values(device, partial(communicator.rank(), 100), 1);
    together(group, communicator, ended, [&] {
      communicator.all_reduce(values.view, {}, Op::all_reduce_out_proj);
      if (failing && communicator.rank() == 1) throw Error("E_TEST", "as the test asked");
      communicator.all_reduce(values.view, {}, Op::all_reduce_out_proj);
      communicator.barrier();
    });
  };
  const auto codes = on_ranks(group, 3, sums);
  CHECK_EQUAL(codes[1], std::string("E_TEST"));
  for (const int rank : {0, 2}) CHECK_EQUAL(codes[rank], std::string("E_COLLECTIVE_ABORTED"));
  group.reset();
  failing = false;
  for (const std::string& code : on_ranks(group, 3, sums)) CHECK_EQUAL(code, std::string());
}

// A rank's GPU that does nothing until it is told to.
struct Blocked {
  std::atomic<bool> free{false};
  void block(cudaStream_t stream) {
    const auto wait = [](void* self) {
      while (!static_cast<Blocked*>(self)->free) std::this_thread::yield();
    };
    CHECK_EQUAL(cudaLaunchHostFunc(stream, wait, this), cudaSuccess);
  }
};

TEST("NCCL that does not come to an end, connecting or later, is aborted after the time-out, and ranks are named") {
  choose(NCCL_WORKING);
  auto options = group_of(3);
  options.timeout_ms = 300;
  options.first = 4;
  const std::pair<const char*, WireType> cases[] = {{"ncclCommInitRankConfig", WireType::f32},
                                                    {"ncclCommInitRankConfig:1", WireType::f32},
                                                    {"ncclAllReduce", WireType::f32},
                                                    {"ncclGroupEnd", WireType::int8}};
  for (const auto& [name, wire] : cases) {
    const Context context(name);
    NcclGroup group(options, first_gpus(3));
    std::string missing[3];
    std::barrier ended(3);
    const auto sum = [&](Communicator& communicator, CudaDevice& device) {
      OnGpu values(device, partial(communicator.rank(), 100), 1);
      together(group, communicator, ended, [&, wire = wire] {
        try {
          communicator.all_reduce(values.view, {wire, 64}, Op::all_reduce_out_proj);
        } catch (const Error& error) {
          if (error.details.contains("call")) missing[communicator.rank()] = error.details.at("missing");
          throw;
        }
      });
    };
    setenv("FAKE_NCCL_HANG", name, 1);
    const auto codes = on_ranks(group, 3, sum);
    unsetenv("FAKE_NCCL_HANG");
    CHECK(std::ranges::count(codes, "E_COLLECTIVE_TIMEOUT") > 0);
    CHECK(std::ranges::count(codes, "") == 0);
    CHECK(std::ranges::count(missing, "4, 5, 6") > 0);
    group.reset();
    for (const std::string& code : on_ranks(group, 3, sum)) CHECK_EQUAL(code, std::string());
  }
}

TEST("a GPU that fails ends what the other waits for, by flags and on NCCL, though its kernel waits on") {
  choose(NCCL_WORKING);
  PeerMemoryGroup peers(group_of(2), first_gpus(2), kAtOnce);
  NcclGroup nccl(group_of(2), first_gpus(2));
  for (Group* group : std::initializer_list<Group*>{&peers, &nccl}) {
    const Context context(group == &nccl ? "NCCL" : "flags");
    Blocked blocked;
    std::barrier ended(2);
    auto codes = on_ranks(*group, 2, [&](Communicator& communicator, CudaDevice& device) {
      OnGpu values(device, partial(communicator.rank(), 100), 1);
      together(*group, communicator, ended, [&] {
        communicator.all_reduce(values.view, {}, Op::all_reduce_out_proj);
        if (communicator.rank() == 1) blocked.block(device.compute());
        communicator.all_reduce(values.view, {}, Op::all_reduce_out_proj);  // on both streams, where nothing fails yet
        if (communicator.rank() == 1) {
          setenv("STATELINE_SIMT_FAILS", std::to_string(cudaErrorIllegalAddress).c_str(), 1);
          blocked.free = true;
        }
        values.get();
      });
    });
    std::ranges::sort(codes);
    CHECK_EQUAL(codes[0], std::string("E_COLLECTIVE_ABORTED"));
    CHECK_EQUAL(codes[1], std::string("E_CUDA"));
    for (const int gpu : {0, 1}) {
      cudaSetDevice(gpu);
      cudaDeviceReset();
    }
  }
}

TEST("ranks of one mixer head may allocate while those of another sum, by flags and on NCCL") {
  choose(NCCL_WORKING);
  for (const bool on_nccl : {false, true}) {
    const Context context(on_nccl ? "NCCL" : "flags");
    const auto everyone = std::make_shared<Rendezvous>(4, 0, 0, 3000);
    auto options = group_of(2);
    std::vector<std::unique_ptr<Group>> heads;
    for (const int first : {0, 2}) {
      options.first = first;
      const std::vector<int> gpus{first, first + 1};
      if (on_nccl)
        heads.push_back(std::make_unique<NcclGroup>(options, gpus, everyone));
      else
        heads.push_back(std::make_unique<PeerMemoryGroup>(options, gpus, kAtOnce, everyone));
    }
    std::vector<std::string> codes(4);
    std::vector<std::thread> threads;
    std::barrier ended(4);
    for (int rank = 0; rank < 4; ++rank) {
      threads.emplace_back([&, rank] {
        const auto device = make_cuda_device({.rank = rank, .gpu = rank, .max_tokens = 1});
        Recorder recorder;
        Group& head = *heads[rank / 2];
        const auto communicator = head.join(rank % 2, *device, recorder);
        try {
          std::optional<OnGpu> values;
          together(head, *communicator, ended, [&] {
            values.emplace(*device, partial(rank, 100), 1);
            for (int i = 0; i < 100; ++i) {
              if (rank == 2) OnGpu(*device, partial(rank, 100), 1);
              communicator->all_reduce(values->view, {}, Op::all_reduce_x_proj);
            }
            values->get();
          });
        } catch (const Error& error) {
          codes[rank] = error.code;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& code : codes) CHECK_EQUAL(code, std::string());
  }
}

// Two sums on three ranks, of which rank 1's GPU does not come to the second: the errors of all.
std::vector<Error> with_late_gpu(Group& group) {
  std::vector<Error> errors(3, Error("", ""));
  Blocked blocked;
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&, rank] {
      const auto device = make_cuda_device({.rank = rank, .gpu = rank, .max_tokens = 1, .timeout_ms = 300});
      Recorder recorder;
      const auto communicator = group.join(rank, *device, recorder);
      OnGpu values(*device, partial(rank, 100), 1);
      try {
        communicator->all_reduce(values.view, {}, Op::all_reduce_out_proj);
        values.get();
        if (rank == 1) blocked.block(device->compute());
        communicator->all_reduce(values.view, {}, Op::all_reduce_out_proj);
        values.get();
      } catch (const Error& error) {
        errors[rank] = error;
        group.abort(std::current_exception());
        communicator->release();
      }
      if (++failed == 3) blocked.free = true;
      while (!blocked.free) std::this_thread::yield();
      device->settle();
      if (++failed == 6) return;
      while (failed < 6) std::this_thread::yield();  // ranks outlive each other's kernels
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

TEST("a GPU that does not come to a collective which waits on the GPUs is named, by flags and on NCCL") {
  choose(NCCL_WORKING);
  auto options = group_of(3);
  options.timeout_ms = 300;
  options.first = 4;
  PeerMemoryGroup peers(options, first_gpus(3), kAtOnce);
  NcclGroup nccl(options, first_gpus(3));
  for (Group* group : std::initializer_list<Group*>{&peers, &nccl}) {
    const Context context(group == &nccl ? "NCCL" : "flags");
    const auto errors = with_late_gpu(*group);
    for (int rank = 0; rank < 3; ++rank) {
      const Context late("rank " + text(rank));
      const Error& error = errors[rank];
      // Whoever fails first releases the others.
      if (error.code == "E_COLLECTIVE_ABORTED") continue;
      CHECK_EQUAL(error.code, std::string(rank == 1 ? "E_CUDA_TIMEOUT" : "E_COLLECTIVE_TIMEOUT"));
      if (rank == 1) continue;
      CHECK_EQUAL(error.details.at("missing"), std::string("5"));
      CHECK_EQUAL(error.details.at("rank"), std::to_string(4 + rank));
    }
  }
}

TEST("steps beyond the largest that ranks' graphs serve call their ops each time") {
  setenv("STATELINE_SIMT_DEVICES", "4", 1);
  const auto device = make_cuda_device({.max_tokens = 1});
  PeerMemoryGroup group(group_of(1), {0}, 0);
  Recorder recorder;
  const auto communicator = group.join(0, *device, recorder);
  cuda::StepGraphs graphs(1, 2);
  const auto repeats = graphs.join(*device, *communicator);
  OnGpu values(*device, partial(0, 10), 1);
  int calls = 0;
  const auto calls_of_four = [&](int64_t key) {
    calls = 0;
    for (int i = 0; i < 4; ++i) {
      repeats->run(key, [&] {
        ++calls;
        device->clear(values.view);
      });
    }
    device->settle();
    return calls;
  };
  CHECK_EQUAL(calls_of_four(2), 2);  // once as they are, once for the graph
  CHECK_EQUAL(calls_of_four(3), 4);
  graphs.reset();
  repeats->renew();
  CHECK_EQUAL(calls_of_four(2), 2);
  repeats->forget();
}

TEST("what a rank sends goes before what it computes, also in a graph") {
  const auto device = make_cuda_device({.max_tokens = 1});
  struct Part {
    char name;
    std::string& order;
    void put(cudaStream_t stream) {
      const auto note = [](void* part) { static_cast<Part*>(part)->order += static_cast<Part*>(part)->name; };
      CHECK_EQUAL(cudaLaunchHostFunc(stream, note, this), cudaSuccess);
    }
  };
  std::string order;
  Part computes{'c', order}, sends{'s', order};
  const cuda::CudaEvent begun, sent;
  cuda::Capture capture(device->compute());
  begun.record(device->compute());
  begun.hold(device->communication());
  computes.put(device->compute());
  sends.put(device->communication());
  sent.record(device->communication());
  sent.hold(device->compute());
  const cuda::CudaGraph graph = capture.end();
  graph.launch(device->compute());
  device->wait(device->compute());
  CHECK_EQUAL(order, std::string("sc"));
}

TEST("decode on NCCL is a graph a rank, with the tokens and bytes of single launches") {
  choose(NCCL_WORKING);
  const RandomModel model(hybrid_model());
  for (const WireType wire : {WireType::f32, WireType::int8}) {
    auto spec = model.spec(4);
    spec.device = DeviceKind::cuda;
    spec.gpu_link = GpuLink::nccl;
    spec.wires.steps = {{0, wire}};
    spec.verify_collectives = false;
    spec.graphs = false;
    RunningEngine launches(spec);
    spec.graphs = true;
    RunningEngine graphs(spec);
    GenerateOptions options;
    options.max_new_tokens = 8;
    const auto expected = launches.generate(input(random_tokens(9, 301)), options);
    const auto actual = graphs.generate(input(random_tokens(9, 301)), options);
    CHECK(actual.tokens == expected.tokens);
    CHECK_EQUAL(actual.wire_bytes, expected.wire_bytes);
    CHECK_EQUAL(launches.engine().repeated_steps(), 0);
    CHECK(graphs.engine().repeated_steps() >= 5);
  }
}

TEST("groups of as many ranks are connected alike: by NCCL where the GPUs of one do not read each other's memory") {
  choose(NCCL_WORKING);
  const RandomModel model(hybrid_model());
  const struct {
    const char* island;
    bool heads, all;  // on NCCL
    const char* link;
  } cases[] = {{"4", false, false, "peer memory of GPUs, with native atomics"},
               {"2", false, true, "NCCL 2.27.3; in a mixer head peer memory of GPUs, with native atomics"},
               {"3", true, true, "NCCL 2.27.3"},
               {"1", true, true, "NCCL 2.27.3"}};
  for (const auto& [island, heads, all, link] : cases) {
    const Context context(std::string("islands of ") + island);
    setenv("STATELINE_SIMT_ISLAND", island, 1);
    auto spec = model.spec(4);
    spec.device = DeviceKind::cuda;
    RunningEngine cuda(spec);
    CHECK_EQUAL(cuda.engine().link(), std::string(link));
    cuda.engine().record(true, 1 << 12);
    cuda.forward(input(random_tokens(9, 301)));
    unsetenv("STATELINE_SIMT_ISLAND");
    for (const auto& spans : cuda.engine().drain().ranks) {
      int of_heads = 0, of_all = 0;
      for (const Span& span : spans) {
        const bool of_head = span.op == Op::all_reduce_x_proj;
        if (!of_head && span.op != Op::all_reduce_out_proj) continue;
        ++(of_head ? of_heads : of_all);
        CHECK_EQUAL(span.algorithm == Algorithm::nccl, of_head ? heads : all);
      }
      CHECK(of_heads > 0 && of_all > 0);
    }
  }
}

TEST("a model with two ranks a mixer head gives the CPU's tokens, whichever GPUs read each other's memory") {
  choose(NCCL_WORKING);
  const RandomModel model(hybrid_model());
  RunningEngine cpu(model.spec(1));
  GenerateOptions options;
  options.max_new_tokens = 6;
  const auto expected = cpu.generate(input(random_tokens(9, 301)), options).tokens;
  // All, within a head, those of one head alone, none.
  for (const char* island : {"4", "2", "3", "1"}) {
    for (const bool verify : {false, true}) {
      const Context context(std::string("islands of ") + island + (verify ? ", verified" : ""));
      setenv("STATELINE_SIMT_ISLAND", island, 1);
      auto spec = model.spec(4);
      spec.device = DeviceKind::cuda;
      spec.collective_timeout_ms = 20'000;
      spec.verify_collectives = verify;  // and then op by op
      RunningEngine cuda(spec);
      CHECK(cuda.generate(input(random_tokens(9, 301)), options).tokens == expected);
      unsetenv("STATELINE_SIMT_ISLAND");
    }
  }
}

}  // namespace
}  // namespace stateline::test
