#include "trace/recorder.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "test/check.h"
#include "trace/names.h"

namespace stateline::test {
namespace {

void record_ops(Recorder& recorder, bool on, int count) {
  recorder.begin_step(on, {.tokens = 5, .sequences = 2, .cell = 3, .request = 4, .phase = Phase::decode});
  for (int i = 0; i < count; ++i) {
    recorder.set_layer(i);
    recorder.op(Op::norm, [i] { return Work{i, 2 * i}; });
  }
  recorder.end_step();
}

}  // namespace

TEST("an op's span begins where the last one ended, and carries the step's label") {
  Recorder recorder;
  recorder.open(10);
  record_ops(recorder, true, 3);
  std::vector<Span> spans;
  CHECK_EQUAL(recorder.drain(spans), size_t{0});
  CHECK_EQUAL(spans.size(), size_t{4});
  for (int i = 0; i < 3; ++i) {
    CHECK(spans[i].begin <= spans[i].end);
    if (i > 0) CHECK_EQUAL(spans[i].begin, spans[i - 1].end);
    CHECK_EQUAL(spans[i].flops, int64_t{i});
    CHECK_EQUAL(spans[i].bytes, int64_t{2 * i});
    CHECK_EQUAL(spans[i].layer, static_cast<int16_t>(i));
    CHECK_EQUAL(spans[i].tokens, 5);
    CHECK_EQUAL(spans[i].sequences, 2);
    CHECK_EQUAL(spans[i].cell, 3);
    CHECK_EQUAL(spans[i].request, 4);
    CHECK(spans[i].phase == Phase::decode && spans[i].stream == Stream::compute && spans[i].op == Op::norm);
  }
  CHECK(spans[3].op == Op::step && spans[3].stream == Stream::host && spans[3].layer == -1);
  CHECK(spans[3].begin <= spans[0].begin && spans[3].end >= spans[2].end);
}

TEST("steps that do not record leave nothing, and the step ordinal counts from where recording was switched on") {
  Recorder recorder;
  recorder.open(100);
  record_ops(recorder, false, 3);
  record_ops(recorder, true, 1);
  record_ops(recorder, true, 1);
  record_ops(recorder, false, 1);
  record_ops(recorder, true, 1);
  std::vector<Span> spans;
  recorder.drain(spans);
  CHECK_EQUAL(spans.size(), size_t{6});
  const int32_t steps[] = {0, 0, 1, 1, 0, 0};
  for (size_t i = 0; i < spans.size(); ++i) CHECK_EQUAL(spans[i].step, steps[i]);
}

TEST("what does not fit is counted, not overwritten, and room is there again after a drain") {
  Recorder recorder;
  recorder.open(4);
  record_ops(recorder, true, 6);  // 6 ops and their step
  std::vector<Span> spans;
  CHECK_EQUAL(recorder.drain(spans), size_t{3});
  CHECK_EQUAL(spans.size(), size_t{4});
  CHECK_EQUAL(spans[3].flops, int64_t{3});
  spans.clear();
  record_ops(recorder, true, 3);
  CHECK_EQUAL(recorder.drain(spans), size_t{0});
  CHECK_EQUAL(spans.size(), size_t{4});
}

TEST("a recorder that is closed keeps its spans until they are drained, and records none") {
  Recorder recorder;
  recorder.open(10);
  record_ops(recorder, true, 2);
  recorder.close();
  record_ops(recorder, true, 2);
  std::vector<Span> spans;
  recorder.drain(spans);
  CHECK_EQUAL(spans.size(), size_t{3});
  spans.clear();
  recorder.drain(spans);
  CHECK(spans.empty());
}

TEST("draining and switching while a rank records loses nothing that was counted as kept") {
  Recorder recorder;
  std::atomic<bool> done{false};
  constexpr int kSteps = 20000;
  std::thread rank([&] {
    for (int i = 0; i < kSteps; ++i) record_ops(recorder, true, 3);
    done = true;
  });
  std::vector<Span> spans;
  size_t lost = 0;
  for (int i = 0; !done; ++i) {
    if (i % 7 == 0) recorder.open(64 + i % 5);
    if (i % 50 == 49) recorder.close();
    lost += recorder.drain(spans);
  }
  rank.join();
  lost += recorder.drain(spans);
  CHECK(spans.size() + lost <= size_t{4} * kSteps);
  for (size_t i = 1; i < spans.size(); ++i) CHECK(spans[i].end >= spans[i - 1].end);
}

TEST("ticks become nanoseconds of the monotonic clock, also across several anchors") {
  TickSource source;
  Clock clock(source);
  struct Reading {
    uint64_t ticks;
    int64_t before, after;
  };
  std::vector<Reading> readings;
  for (int i = 0; i < 30; ++i) {
    const int64_t before = monotonic_ns();
    const uint64_t ticks = source.now();
    readings.push_back({ticks, before, monotonic_ns()});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (i % 12 == 11) clock.synchronise();
  }
  clock.synchronise();
  for (const Reading& reading : readings) {
    CHECK(clock.to_ns(reading.ticks) >= reading.before - 2000);
    CHECK(clock.to_ns(reading.ticks) <= reading.after + 2000);
  }
}

TEST("every op has a name of its own and a kind") {
  const auto names = op_names();
  CHECK_EQUAL(names.size(), static_cast<size_t>(Op::step) + 1);
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < i; ++j) CHECK(names[i] != names[j]);
    CHECK(static_cast<size_t>(kind_of(static_cast<Op>(i))) < kind_names().size());
  }
  CHECK_EQUAL(name_of(Op::all_reduce_out_proj), std::string_view("all_reduce.out_proj"));
  CHECK_EQUAL(wire_type_names()[0], std::string_view(""));
}

}  // namespace stateline::test
