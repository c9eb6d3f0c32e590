// Allocations while tokens are decoded.
#include <utility>

#include "test/check.h"
#include "test/engine/random_model.h"
#include "test/engine/running_engine.h"
#include "test/runtime/allocations.h"

namespace stateline::test {

TEST("decoding allocates nothing on any rank, recording, sampling and the prefix cache included") {
  const RandomModel model;
  for (const int ranks : {1, 4}) {
    auto spec = model.spec(ranks);
    spec.wires.steps = {{0, WireType::int8}};
    spec.threads_per_rank = 2;
    spec.cache_bytes = 1 << 24;
    spec.slots = 2;
    RunningEngine engine(spec);
    engine.engine().record(true, 1 << 16);
    for (const Sampling& sampling :
         {Sampling{.temperature = 1, .top_k = 100, .top_p = 0.9, .seed = 3},
          Sampling{.temperature = 1, .top_p = 0.9, .repetition_penalty = 1.1, .seed = 4, .logprobs = 5}}) {
      GenerateOptions options;
      options.sampling = sampling;
      options.max_new_tokens = 1 << 16;
      JobInput other = input(random_tokens(7, 301));
      other.tag.job = 1;
      const auto beside = submit_request(engine.engine(), std::move(other), options);
      int heard = 0;
      int64_t before = 0, after = 0;
      options.max_new_tokens = 50;
      engine.generate(input(random_tokens(5, 301)), options, [&](int32_t) {
        if (++heard == 3) before = allocations;
        if (heard == 48) after = allocations;
      });
      engine.engine().cancel(1);
      beside.settled.wait();
      CHECK(before > 0);
      CHECK_EQUAL(after - before, 0);
    }
  }
}

}  // namespace stateline::test
