#include "runtime/engine.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "runtime/error.h"

namespace stateline {
namespace {

// Most bytes of files that loading holds in memory beside the packed weights, a large tensor's own ones not counted.
constexpr int64_t kLoadWindow = int64_t{128} << 20;

EngineSpec validated(EngineSpec spec) {
  validate(spec);
  return spec;
}

[[noreturn]] void refuse(std::string_view name, const std::string& must, int64_t value) {
  throw Error("E_OPTION", std::string(name) + " must be " + must + ", got " + std::to_string(value),
              {{"option", std::string(name)}, {"value", std::to_string(value)}});
}

}  // namespace

Engine::Engine(EngineSpec spec, Progress progress, Loaded loaded, Told told)
    : spec_(validated(std::move(spec))),
      queue_(spec_.ranks,
             [this](bool failed) {
               if (failed) shared_->reset();
             }),
      batch_(std::make_shared<Batch>(
          spec_, queue_, [this] { check_files(); }, std::move(told))),
      progress_(std::move(progress)),
      loaded_(std::move(loaded)),
      memory_(spec_.ranks),
      loading_(spec_.ranks),
      running_(spec_.ranks) {
  for (const std::string& file : spec_.files) files_.emplace_back(file);
  for (int rank = 0; rank < spec_.ranks; ++rank) {
    tensors_.push_back(tensors_of(spec_, files_, rank));
    tensors_.back().for_each([&](Role role, const TensorSlice& slice) {
      if (role != Role::embed) total_bytes_ += stored_bytes(slice);  // the embedding stays where it is mapped
    });
    recorders_.push_back(std::make_unique<Recorder>());
  }
  shared_ = std::make_unique<Shared>(spec_);
  start_threads();
}

void Engine::start_threads() {
  try {
    for (int rank = 0; rank < spec_.ranks; ++rank) threads_.emplace_back([this, rank] { run(rank); });
  } catch (const std::system_error& failure) {
    {
      std::lock_guard lock(mutex_);
      const int missing = spec_.ranks - static_cast<int>(threads_.size());
      loaded_ = [](std::exception_ptr) {};  // the constructor reports it
      load_error_ = std::current_exception();
      load_cancelled_ = true;
      loading_ -= missing;
      running_ -= missing;
    }
    load_over_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    throw Error("E_THREADS", std::string("the system starts no more threads: ") + failure.what());
  }
}

Engine::~Engine() {
  load_cancelled_ = true;
  batch_->close();
  queue_.close();
  queue_.cancel_running();
  batch_->Job::cancel();  // which may be between two turns
  for (std::thread& thread : threads_) thread.join();
}

void Engine::run(int index) {
  {
    std::unique_ptr<Rank> rank = load(index);
    if (rank) {
      work(*rank);
      rank->settle(false);
      // A rank's memory outlives what others read of it.
      std::unique_lock lock(mutex_);
      ++settled_;
      all_settled_.notify_all();
      all_settled_.wait(lock, [this] { return settled_ == spec_.ranks; });
    }
  }
  std::vector<std::function<void()>> closed;
  {
    std::lock_guard lock(mutex_);
    if (--running_ == 0) closed.swap(closed_);
  }
  for (const auto& callback : closed) callback();
}

// Null when loading failed on any rank.
std::unique_ptr<Rank> Engine::load(int index) {
  std::unique_ptr<Rank> rank;
  try {
    rank = std::make_unique<Rank>(*shared_, *recorders_[index], tensors_[index], index,
                                  [this](int64_t bytes) { count_bytes(bytes); });
    check_files();
    std::lock_guard lock(mutex_);
    memory_[index] = rank->memory();
  } catch (...) {
    std::lock_guard lock(mutex_);
    if (!load_error_) load_error_ = std::current_exception();
    load_cancelled_ = true;  // the others need not go on
  }
  if (!all_loaded()) rank = nullptr;
  return rank;
}

void Engine::count_bytes(int64_t bytes) {
  if (load_cancelled_) throw Error("E_ABORTED", "loading was cancelled");
  const int64_t done = done_bytes_ += bytes;
  // What is packed needs its mapped pages no more. Another rank that was at them finds them in the system's cache.
  if (done / kLoadWindow != (done - bytes) / kLoadWindow) release_pages();
  progress_(done, total_bytes_);
}

bool Engine::all_loaded() {
  std::unique_lock lock(mutex_);
  if (--loading_ > 0) {
    load_over_.wait(lock, [this] { return loading_ <= 0; });
    return !load_error_;
  }
  const std::exception_ptr result = load_error_;
  load_over_.notify_all();
  lock.unlock();
  if (result) {
    batch_->close();
    queue_.close();
  } else {
    release_pages();
    progress_(total_bytes_, total_bytes_);  // out_proj's bias, for one, is read by one rank only
  }
  loaded_(result);
  return !result;
}

void Engine::work(Rank& rank) {
  for (int64_t ordinal = 0; Job* job = queue_.take(ordinal); ++ordinal) {
    std::exception_ptr error;
    try {
      rank.begin_job();
      job->run(rank);
      if (rank.decides()) check_files();
      const std::lock_guard lock(mutex_);
      memory_[rank.index()] = rank.memory();  // a job may be the first to need room for something
    } catch (...) {
      error = std::current_exception();
      shared_->abort(error);
      rank.settle(true);
    }
    queue_.leave(error);
  }
}

// Tokens are looked up in the mapped embedding as long as the engine lives.
void Engine::check_files() const {
  for (const MappedFile& file : files_) file.check();
}

void Engine::release_pages() const {
  for (const MappedFile& file : files_) file.release_pages();
}

void Engine::check(const JobInput& input) const {
  if (input.chunk < 1 || input.chunk > spec_.max_tokens) {
    refuse("chunk", "1 to maxTokens = " + std::to_string(spec_.max_tokens), input.chunk);
  }
  if (input.tokens.empty()) refuse("tokens", "at least one", 0);
  if (input.state) check_sequence_state(spec_.shape, *input.state);
  check_context(spec_.shape, static_cast<int64_t>(input.tokens.size()) + (input.state ? input.state->tokens : 0));
  for (const int32_t token : input.tokens) {
    if (token >= 0 && token < spec_.shape.vocabulary) continue;
    throw Error(
        "E_TOKEN",
        "token ids must be 0 to " + std::to_string(spec_.shape.vocabulary - 1) + ", got " + std::to_string(token),
        {{"token", std::to_string(token)}, {"vocabulary", std::to_string(spec_.shape.vocabulary)}});
  }
}

void Engine::cancel(int64_t job) {
  queue_.cancel(job);
  batch_->cancel(job);
}

void Engine::close(std::function<void()> closed) {
  batch_->close();
  queue_.close();
  {
    std::lock_guard lock(mutex_);
    if (running_ > 0) {
      closed_.push_back(std::move(closed));
      return;
    }
  }
  closed();
}

void Engine::record(bool on, size_t capacity) {
  for (const auto& recorder : recorders_) on ? recorder->open(capacity) : recorder->close();
  shared_->recording = on;
}

size_t Engine::buffered() const {
  size_t most = 0;
  for (const auto& recorder : recorders_) most = std::max(most, recorder->buffered());
  return most;
}

double Engine::span_cost() const {
  double of_clock = 0;
  for (const auto& recorder : recorders_) of_clock = std::max(of_clock, recorder->clock_cost_ns());
  return measure_span_cost() + of_clock;
}

std::vector<int64_t> Engine::clock_errors() const {
  std::vector<int64_t> errors;
  for (const auto& recorder : recorders_) errors.push_back(recorder->clock_error_ns());
  return errors;
}

DrainedSpans Engine::drain() {
  DrainedSpans drained;
  for (const auto& recorder : recorders_) drained.lost += recorder->drain(drained.ranks.emplace_back());
  std::lock_guard lock(clock_mutex_);
  clock_.synchronise();
  for (auto& spans : drained.ranks) {
    for (Span& span : spans) {
      span.begin = static_cast<uint64_t>(clock_.to_ns(span.begin));
      span.end = static_cast<uint64_t>(clock_.to_ns(span.end));
    }
  }
  return drained;
}

std::vector<Rank::Memory> Engine::memory() const {
  std::lock_guard lock(mutex_);
  return memory_;
}

}  // namespace stateline
