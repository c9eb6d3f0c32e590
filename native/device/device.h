// A rank's device: its memory and the op table that model/ calls. One back end a folder: cpu/, cuda/.
//
// Ops never allocate and never block on another rank. Activations are f32, row-major [tokens, features]. What ops read
// and write is memory of the device, which the host may not be able to touch; ops and copies of one device follow one
// another as they were called, and those that end where the host reads return when it can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "device/tensor.h"

namespace stateline {

// Weights of a linear map [rows out, columns in], packed for this device, with its bias if the checkpoint has one.
class Matrix {
 public:
  virtual ~Matrix() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t columns() const = 0;
  virtual size_t bytes() const = 0;
};

// The embedding's rows, [vocabulary, h], as the checkpoint stores them.
class Table {
 public:
  virtual ~Table() = default;
  virtual size_t row_bytes() const = 0;
  virtual size_t bytes() const = 0;  // of memory beside the mapped checkpoint
};

// What a step works on.
struct StepInputs {
  const int32_t* ids = nullptr;  // of its tokens
  Segments segments;
};

// f32 memory of the device, zeroed, aligned to at least 64 bytes, freed with the object.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual float* data() const = 0;
  virtual size_t bytes() const = 0;
};

struct ConvParameters {
  const float* weight = nullptr;  // [K, d]: tap-major, tap K-1 multiplies the newest token
  const float* bias = nullptr;    // [d], or null
  int64_t taps = 0;               // K, 2..4 in the published models; any K ≥ 1 works
};

// Convolution state of all slots in one layer: the last K-1 inputs, oldest first. [slots, K-1, d]
struct ConvState {
  float* data = nullptr;
  int64_t slot_stride = 0;
};

struct ScanParameters {
  const float* a = nullptr;  // [N, d]: A·log2(e) with A = -exp(A_log), so that exp(ΔA) = exp2(Δ·a)
  const float* d = nullptr;  // [d]
  int64_t states = 0;        // N
};

// SSM state of all slots in one layer. [slots, N, d]
struct SsmState {
  float* data = nullptr;
  int64_t slot_stride = 0;
};

// Shape of an attention on one rank: groups of query heads share a key/value head.
struct AttentionParameters {
  int64_t heads = 0;
  int64_t kv_heads = 0;  // divides heads
  int64_t head_dim = 0;
  float scale = 1;  // of the scores
};

// Keys and values of all slots in one layer. [slots, capacity, kv_heads · head_dim]
struct KvCache {
  float* keys = nullptr;
  float* values = nullptr;
  int64_t slot_stride = 0;
};

// Several ops as one, on devices where that saves time.
class FusedOps {
 public:
  // One token of each sequence: delta = dt · dt_projᵀ + bias, then as Device::selective_scan. dt [tokens, r]. out may
  // be u.
  virtual void state_update(const Matrix& dt_proj, const ScanParameters& scan, View<const float> u,
                            View<const float> dt, View<const float> b, View<const float> c, View<const float> z,
                            Segments segments, SsmState state, View<float> out) = 0;

 protected:
  ~FusedOps() = default;
};

class Device {
 public:
  virtual ~Device() = default;

  // Work of the host that belongs to a step: work(item, thread) for each item in [0, count), side by side on threads()
  // that would wait otherwise. It must not throw.
  virtual int threads() const { return 1; }
  virtual void on_host(int64_t count, const std::function<void(int64_t item, int thread)>& work) {
    for (int64_t item = 0; item < count; ++item) work(item, 0);
  }

  // Null: it has none.
  virtual FusedOps* fused() { return nullptr; }
  // After a failure or before the end: returns once nothing that was begun still runs, or never will end.
  virtual void settle() {}

  // Of memory that its ops need beside what they are given.
  virtual size_t bytes() const { return 0; }

  // --- memory and weights (load time) ---
  // Before weights of about so many bytes, no more, are packed: throws where they cannot have room.
  virtual void expect_weights(size_t) {}
  // Large blocks take room only once they are written to.
  // `purpose`, in the plural: what lacks memory where there is too little.
  virtual std::unique_ptr<Buffer> allocate(size_t floats, const char* purpose = "values") = 0;
  // Throws NotFinite where a weight is none; of the bias that is not asked.
  virtual std::unique_ptr<Matrix> pack(const TensorSlice& weight, const TensorSlice* bias, ComputeType type) = 0;
  virtual std::unique_ptr<Table> keep(const TensorSlice& table) = 0;
  // Copies a slice as f32, rows one after another, into memory of the host.
  virtual void load(const TensorSlice& slice, float* out) = 0;

  // --- between the host's memory and the device's ---
  virtual void upload(View<const float> host, View<float> own) = 0;
  virtual void download(View<const float> own, View<float> host) = 0;
  virtual void clear(View<float> own) = 0;
  // Brings a step's inputs to where this device's ops read them. The ops of the step get what this returns.
  virtual StepInputs stage(StepInputs host) = 0;

  // --- ops (step time) ---
  // out[t] = row ids[t] of the table. Throws E_TOKEN for an id outside it, on devices that the host waits for.
  virtual void embed(const Table& table, const int32_t* ids, View<float> out) = 0;

  // out[i] = in[rows[i]]; `rows` in memory of the host.
  virtual void gather(View<const float> in, const int32_t* rows, View<float> out) = 0;

  // residual += delta (skipped when delta is empty); out = residual · rsqrt(mean(residual²) + epsilon) · weight.
  virtual void norm(View<float> residual, View<const float> delta, const float* weight, float epsilon,
                    View<float> out) = 0;

  // out = (a + b) · rsqrt(mean((a + b)²) + epsilon) · weight.
  virtual void norm_sum(View<const float> a, View<const float> b, const float* weight, float epsilon,
                        View<float> out) = 0;

  // residual += delta (skipped when delta is empty); out = the norm of the row [residual ; other].  out [tokens, 2h]
  virtual void norm_pair(View<float> residual, View<const float> delta, View<const float> other, const float* weight,
                         float epsilon, View<float> out) = 0;

  // out = in · Wᵀ + bias.  in [tokens, columns], out [tokens, rows].
  virtual void matmul(const Matrix& weight, View<const float> in, View<float> out) = 0;
  // The same where `out` is memory of the host.
  virtual void matmul_to_host(const Matrix& weight, View<const float> in, View<float> out) = 0;

  // Most values that largest_to_host() gives of a row.
  virtual int32_t most_largest() const = 0;
  // The largest values of each row of in · Wᵀ + bias and their columns, in falling order, lower columns first where
  // they tie, NaN before all. values, columns [tokens, k] in memory of the host; k ≤ rows of W.
  virtual void largest_to_host(const Matrix& weight, View<const float> in, View<float> values,
                               View<int32_t> columns) = 0;

  // out = silu(bias + Σ_k weight[k] · x[t-K+1+k]), reaching back into each segment's state, which then holds
  // the segment's last K-1 inputs.  x, out [tokens, d].
  virtual void conv1d(const ConvParameters& conv, View<const float> x, Segments segments, ConvState state,
                      View<float> out) = 0;

  // Δ = softplus(delta), identity above 20; S ← exp(ΔA)∘S + (Δu)⊗B; out = (S·C + D∘u)∘silu(z).
  // u, delta, z, out [tokens, d]; b, c [tokens, N]. out may be u or delta.
  // Source: arXiv 2312.00752, equations 2 and 3; z gates the output as in its figure 3.
  virtual void selective_scan(const ScanParameters& scan, View<const float> u, View<const float> delta,
                              View<const float> b, View<const float> c, View<const float> z, Segments segments,
                              SsmState state, View<float> out) = 0;

  // Causal softmax attention without positions. Appends the segment's k and v to its slot, then each query attends to
  // all that stands there up to its own token. q, out [tokens, heads · head_dim]; k, v [tokens, kv_heads · head_dim].
  virtual void attention(const AttentionParameters& attention, View<const float> q, View<const float> k,
                         View<const float> v, Segments segments, KvCache cache, View<float> out) = 0;

  // out = gelu(gate)∘up with gelu(x) = x·Φ(x), the exact form. out may be either.
  virtual void gelu_gate(View<const float> gate, View<const float> up, View<float> out) = 0;
};

}  // namespace stateline
