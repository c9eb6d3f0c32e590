// The threads of one rank. The caller is one of them; the others wait for work by spinning briefly, then giving way,
// then sleeping, so that a step's many short ops meet awake threads and idle ranks cost nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace stateline::cpu {

class Team {
 public:
  explicit Team(int threads);  // ≥ 1, the caller included
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // work(part) once for each part in [0, size), side by side; returns when all have returned. `work` must not throw,
  // and only one thread at a time may call this.
  template <class Work>
  void run(const Work& work) {
    if (size_ == 1) {
      work(0);
      return;
    }
    share([](const void* context, int part) { (*static_cast<const Work*>(context))(part); }, &work);
  }

  // work(begin, end) for an even share of [0, count) a thread, cut at multiples of `grain`; on the caller alone if
  // that is one share.
  template <class Work>
  void split(int64_t count, int64_t grain, const Work& work) {
    const int64_t grains = (count + grain - 1) / grain;
    if (size_ == 1 || grains <= 1) {
      if (count > 0) work(0, count);
      return;
    }
    run([&](int part) {
      const int64_t begin = grains * part / size_ * grain;
      const int64_t end = grains * (part + 1) / size_ * grain;
      if (begin < end) work(begin, end < count ? end : count);
    });
  }

 private:
  using Call = void (*)(const void* context, int part);

  void share(Call call, const void* context);
  void serve(int part);

  const int size_;
  Call call_ = nullptr;  // the round's work; null ends the threads
  const void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> round_{0};
  alignas(64) std::atomic<uint32_t> busy_{0};  // threads that have not finished the round
  std::vector<std::thread> threads_;
};

}  // namespace stateline::cpu
