// A stream's operations as one graph: captured once, launched as often as wanted.
#pragma once

#include "device/cuda/stream.h"

namespace stateline::cuda {

class CudaGraph {
 public:
  CudaGraph() = default;
  explicit CudaGraph(cudaGraphExec_t graph) : graph_(graph) {}
  CudaGraph(CudaGraph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  CudaGraph& operator=(CudaGraph&& other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  ~CudaGraph() {
    if (graph_) cudaGraphExecDestroy(graph_);
  }

  explicit operator bool() const { return graph_ != nullptr; }
  void launch(cudaStream_t stream) const { check(cudaGraphLaunch(graph_, stream), "launching a graph"); }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

// What is put on `stream` meanwhile, and on streams that wait for its events, is not done but kept.
class Capture {
 public:
  explicit Capture(cudaStream_t stream) : stream_(stream) {
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning a graph");
  }
  // Without an end(), what was kept is thrown away.
  ~Capture() {
    if (!stream_) return;
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();
  }
  Capture(const Capture&) = delete;

  CudaGraph end() {
    cudaGraph_t graph = nullptr;
    const cudaStream_t stream = std::exchange(stream_, nullptr);
    check(cudaStreamEndCapture(stream, &graph), "ending a graph");
    cudaGraphExec_t executable = nullptr;
    // Else all kernels would have the priority of the stream that launches them.
    const cudaError_t made = cudaGraphInstantiate(&executable, graph, cudaGraphInstantiateFlagUseNodePriority);
    cudaGraphDestroy(graph);
    check(made, "making a graph");
    CudaGraph result(executable);
    check(cudaGraphUpload(executable, stream), "making a graph");  // else its first launch would, and may wait for it
    return result;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace stateline::cuda
