#include "runtime/cuda/step_graphs.h"

#include <optional>

namespace stateline::cuda {

class RankGraphs final : public Repeats {
 public:
  RankGraphs(StepGraphs& shared, CudaDevice& device, Communicator& communicator)
      : shared_(shared), device_(device), communicator_(communicator) {
    shared_.staged_[communicator.rank()] = staged_;
    shared_.filled_[communicator.rank()] = filled_;
    if (!leads()) return;
    shared_.begun_ = begun_;
    shared_.done_ = done_;
  }

  void forget() override { steps_.clear(); }
  void renew() override {
    if (generation_ != shared_.generation_) forget();
    generation_ = shared_.generation_;
  }

  void run(int64_t key, const std::function<void()>& ops) override {
    if (apart() && key > shared_.apart_up_to_) return ops();
    Step& step = steps_[key];
    switch (step.runs) {
      case 0:
        ops();
        break;
      case 1:
        capture(step, ops);
        [[fallthrough]];
      default:
        launch(step);
    }
    if (step.runs < 2) ++step.runs;  // where all went well
  }

 private:
  struct Step {
    int runs = 0;     // 2: it has its graph
    CudaGraph graph;  // of the first rank, or of each
  };

  bool apart() const { return shared_.apart_up_to_ > 0; }
  bool leads() const { return communicator_.rank() == 0; }
  cudaStream_t stream() const { return device_.compute(); }

  void capture(Step& step, const std::function<void()>& ops) {
    if (apart()) {
      Capture capture(stream());
      ops();
      step.graph = capture.end();
      communicator_.barrier();  // what makes a graph may wait for a GPU
      return;
    }
    gather_inputs();
    std::optional<Capture> capture;
    if (leads()) {
      capture.emplace(stream());
      begun_.record(stream());
    }
    communicator_.barrier();
    {
      const CudaDevice::Turn turn(device_, shared_.turn_);
      if (!leads()) check(cudaStreamWaitEvent(stream(), shared_.begun_, 0), "joining a graph");
      ops();
      filled_.record(stream());
    }
    communicator_.barrier();
    if (leads()) {
      hold_for(shared_.filled_);
      step.graph = capture->end();
    }
    communicator_.barrier();  // nobody puts anything on a stream that is still captured
  }

  void launch(const Step& step) {
    if (apart()) {
      communicator_.barrier();  // before and behind it ranks may allocate, which may wait for this GPU
      step.graph.launch(stream());
      return communicator_.barrier();
    }
    gather_inputs();
    if (leads()) {
      step.graph.launch(stream());
      done_.record(stream());
    }
    communicator_.barrier();
    if (!leads()) check(cudaStreamWaitEvent(stream(), shared_.done_, 0), "waiting for a graph");
  }

  // What the first rank's stream does from now on comes after all that others have put on theirs.
  void gather_inputs() {
    staged_.record(stream());
    communicator_.barrier();
    if (leads()) hold_for(shared_.staged_);
  }
  void hold_for(const std::vector<cudaEvent_t>& events) {
    for (size_t rank = 1; rank < events.size(); ++rank) {
      check(cudaStreamWaitEvent(stream(), events[rank], 0), "waiting for another rank");
    }
  }

  StepGraphs& shared_;
  CudaDevice& device_;
  Communicator& communicator_;
  CudaEvent staged_, filled_, begun_, done_;
  std::map<int64_t, Step> steps_;  // by key
  int generation_ = 0;             // of them
};

std::unique_ptr<Repeats> StepGraphs::join(CudaDevice& device, Communicator& communicator) {
  return std::make_unique<RankGraphs>(*this, device, communicator);
}

}  // namespace stateline::cuda
