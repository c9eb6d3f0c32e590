// Reduce, broadcast and gather, among all ranks and in groups side by side.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

#include "test/check.h"
#include "test/comm/ranks.h"

namespace stateline::test {
namespace {

constexpr int64_t kRows = 3, kColumns = 50, kStride = 53;

InProcessOptions options_for(int ranks) {
  InProcessOptions options;
  options.ranks = ranks;
  options.threads = ranks;
  options.message_bytes = 1 << 12;
  return options;
}

using Values = std::vector<float>;

std::vector<Values> random_values(uint64_t seed, int ranks) {
  auto generator = random(seed);
  std::normal_distribution<float> normal;
  std::vector<Values> values(ranks, Values(kRows * kStride));
  for (Values& each : values) {
    for (float& value : each) value = normal(generator);
  }
  return values;
}

View<float> view_of(Values& values) { return {values.data(), kRows, kColumns, kStride}; }

}  // namespace

TEST("reduce leaves on its root the bits that an AllReduce would, and elsewhere what was there") {
  for (const int ranks : {1, 2, 5}) {
    Ranks group(options_for(ranks));
    for (const WireType wire : {WireType::f32, WireType::f16, WireType::bf16, WireType::int8}) {
      for (int root = 0; root < ranks; ++root) {
        const auto in = random_values(root, ranks);
        auto out = in, all = in;
        CHECK(all_done(group.run([&](Communicator& communicator) {
          const int rank = communicator.rank();
          communicator.reduce(view_of(out[rank]), root, {wire, 32}, Op::all_reduce_out_proj);
          communicator.all_reduce(view_of(all[rank]), {wire, 32}, Op::all_reduce_out_proj);
        })));
        for (int rank = 0; rank < ranks; ++rank) {
          const Values& expected = rank == root ? all[rank] : in[rank];
          CHECK(std::memcmp(out[rank].data(), expected.data(), expected.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST("broadcast gives every rank the root's bits, NaN included, and touches nothing between rows") {
  for (const int ranks : {1, 2, 4}) {
    Ranks group(options_for(ranks));
    for (int root = 0; root < ranks; ++root) {
      auto in = random_values(10 + root, ranks);
      in[root][7] = std::numeric_limits<float>::quiet_NaN();
      auto out = in;
      CHECK(all_done(group.run([&](Communicator& communicator) {
        communicator.broadcast(view_of(out[communicator.rank()]), root, Op::all_reduce_out_proj);
      })));
      for (int rank = 0; rank < ranks; ++rank) {
        for (int64_t row = 0; row < kRows; ++row) {
          const float *got = &out[rank][row * kStride], *sent = &in[root][row * kStride];
          CHECK(std::memcmp(got, sent, kColumns * sizeof(float)) == 0);
          CHECK(std::memcmp(got + kColumns, &in[rank][row * kStride + kColumns], 3 * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST("gather puts every rank's part in its place on the root and sends each part once") {
  for (const int ranks : {1, 3}) {
    for (int root = 0; root < ranks; ++root) {
      Ranks group(options_for(ranks));
      auto in = random_values(20 + root, ranks);
      std::vector<Values> all(ranks, Values(ranks * kRows * kColumns, -1.0f));
      CHECK(all_done(group.run([&](Communicator& communicator) {
        const int rank = communicator.rank();
        const View<float> room{all[rank].data(), ranks * kRows, kColumns, kColumns};
        communicator.gather(view_of(in[rank]), rank == root ? room : View<float>{}, root, Op::gather_logits);
      })));
      for (int rank = 0; rank < ranks; ++rank) {
        for (int64_t row = 0; row < kRows; ++row) {
          const float* got = &all[root][(rank * kRows + row) * kColumns];
          CHECK(std::memcmp(got, &in[rank][row * kStride], kColumns * sizeof(float)) == 0);
        }
        const int64_t part = kRows * kColumns * static_cast<int64_t>(sizeof(float));
        CHECK_EQUAL(group.communicator(rank).sent(), rank == root ? 0 : part);
      }
    }
  }
}

TEST("a root that is no rank, other roots on other ranks, and another collective are errors") {
  Ranks group(options_for(3));
  auto values = random_values(30, 3);
  const auto mixed = [&](auto body) {
    const auto codes =
        group.run([&](Communicator& communicator) { body(communicator, view_of(values[communicator.rank()])); });
    group.group().reset();
    return codes;
  };
  for (const auto& code : mixed([](Communicator& communicator, View<float> view) {
         communicator.broadcast(view, 3, Op::all_reduce_out_proj);
       })) {
    CHECK_EQUAL(code, std::string("E_COLLECTIVE_ROOT"));
  }
  const auto roots = mixed([](Communicator& communicator, View<float> view) {
    communicator.broadcast(view, communicator.rank() == 2 ? 1 : 0, Op::all_reduce_out_proj);
  });
  CHECK(std::ranges::count(roots, "E_COLLECTIVE_MISMATCH") > 0 && std::ranges::count(roots, "") == 0);
  const auto others = mixed([](Communicator& communicator, View<float> view) {
    if (communicator.rank() == 1) return communicator.broadcast(view, 0, Op::all_reduce_out_proj);
    communicator.reduce(view, 0, {}, Op::all_reduce_out_proj);
  });
  CHECK(std::ranges::count(others, "E_COLLECTIVE_MISMATCH") > 0 && std::ranges::count(others, "") == 0);
}

TEST("collectives of every kind in turn, in the whole group and in pairs of it, never mix their messages") {
  constexpr int kRanks = 4, kRounds = 400;
  Ranks whole(options_for(kRanks));
  Ranks first(options_for(kRanks / 2)), second(options_for(kRanks / 2));
  std::atomic<int> wrong{0};
  CHECK(all_done(whole.run([&](Communicator& all) {
    const int rank = all.rank();
    Communicator& pair = (rank < 2 ? first : second).communicator(rank % 2);
    for (int round = 0; round < kRounds; ++round) {
      const auto base = static_cast<float>(round % 100);
      float one = base + static_cast<float>(rank);
      all.broadcast({&one, 1, 1, 1}, round % kRanks, Op::all_reduce_out_proj);
      wrong += one != base + static_cast<float>(round % kRanks);
      float two = static_cast<float>(rank);
      pair.all_reduce({&two, 1, 1, 1}, {}, Op::all_reduce_x_proj);
      wrong += two != (rank < 2 ? 1.0f : 5.0f);
      float three = base;
      all.reduce({&three, 1, 1, 1}, 0, {}, Op::all_reduce_out_proj);
      wrong += three != (rank == 0 ? base * kRanks : base);
      float parts[kRanks] = {};
      all.gather({&two, 1, 1, 1}, rank == 3 ? View<float>{parts, kRanks, 1, 1} : View<float>{}, 3, Op::gather_logits);
      if (rank == 3) wrong += parts[0] != 1 || parts[1] != 1 || parts[2] != 5 || parts[3] != 5;
    }
  })));
  CHECK_EQUAL(wrong.load(), 0);
}

}  // namespace stateline::test
