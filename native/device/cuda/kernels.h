// CUDA kernels as plain functions: each puts one op on a stream and returns what the launch returned.
//
// All pointers are device memory unless said otherwise. Activations, states and sums are f32; weights keep a DType.
// Views are row-major and may have any stride; rows whose pointers and strides are multiples of 16 bytes are read in
// 16-byte pieces, others value by value. Nothing allocates or synchronises, so everything may be captured in a graph;
// what changes from step to step (ids, segments, positions) is read from device memory by the kernel itself.
// An empty op launches nothing and returns cudaSuccess; sizes that a kernel cannot serve give cudaErrorInvalidValue.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/tensor.h"

namespace stateline::cuda {

// --- rows -------------------------------------------------------------------------------------------------------

// Weights of a linear map or an embedding table: [rows, columns], row-major, rows `stride` elements apart.
struct Weights {
  const void* data = nullptr;
  DType type = DType::f32;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;
};

// out[t] = table[ids[t]] as f32; an id outside the table gives NaN, so check on the host what comes from outside.
cudaError_t embed(const Weights& table, const int32_t* ids, View<float> out, cudaStream_t stream);

// out[i] = in[rows[i]]. out must not overlap in.
cudaError_t gather(View<const float> in, const int32_t* rows, View<float> out, cudaStream_t stream);

// Device::norm: residual += delta (unless empty); out = residual · rsqrt(mean(residual²) + epsilon) · weight. A null
// weight means ones; out may be residual when delta is empty.
cudaError_t norm(View<float> residual, View<const float> delta, const float* weight, float epsilon, View<float> out,
                 cudaStream_t stream);

// Device::norm_sum: out = norm(a + b).
cudaError_t norm_sum(View<const float> a, View<const float> b, const float* weight, float epsilon, View<float> out,
                     cudaStream_t stream);

// Device::norm_pair: residual += delta (unless empty); out [tokens, 2h] = norm([residual ; other]).
cudaError_t norm_pair(View<float> residual, View<const float> delta, View<const float> other, const float* weight,
                      float epsilon, View<float> out, cudaStream_t stream);

// Device::gelu_gate: out = gate·Φ(gate)·up; out may be either.
cudaError_t gelu_gate(View<const float> gate, View<const float> up, View<float> out, cudaStream_t stream);

// out[t] += bias, for a product that cuBLAS has made.
cudaError_t add_bias(View<float> out, const float* bias, cudaStream_t stream);

// f32 rows to dense f16 or bf16 ones, nearest even: the activations of a cuBLAS product in 16 bits. out has
// in.rows · in.columns values.
cudaError_t narrow(View<const float> in, DType type, void* out, cudaStream_t stream);

// Stored values to dense f32 [rows, columns]: what Device::load needs once bytes are on the device.
cudaError_t widen(const Weights& in, float* out, cudaStream_t stream);

// --- products ---------------------------------------------------------------------------------------------------

// Most rows of `in` that `gemv` takes.
constexpr int64_t kGemvRows = 16;

// out = in · Wᵀ + bias (or null) for at most kGemvRows rows: reads the weights once. A row's bits do not depend on
// the rows beside it. out must not overlap in.
cudaError_t gemv(const Weights& weight, const float* bias, View<const float> in, View<float> out, cudaStream_t stream);

// The same for any number of rows, without tensor cores: for machines without cuBLAS.
cudaError_t gemm(const Weights& weight, const float* bias, View<const float> in, View<float> out, cudaStream_t stream);

// --- mixer ------------------------------------------------------------------------------------------------------

// Most segments of a step: blocks along a grid's second and third sides.
constexpr int64_t kSegments = 65535;

// Segments of a step in device memory. `longest` bounds their lengths: it shapes the launch, and a captured graph
// keeps it.
struct DeviceSegments {
  const Segment* data = nullptr;
  int32_t count = 0;
  int32_t longest = 0;
};

// Device::conv1d. weight [K, d], bias [d] or null, state [slots, K-1, d]. K ≥ 1, fast for 2..4. When `longest` is 1 it
// is one fused kernel (decode); otherwise outputs and carry are two. out must not overlap x.
struct Conv1d {
  const float* weight = nullptr;
  const float* bias = nullptr;
  int64_t taps = 0;
  View<const float> x;
  float* state = nullptr;
  int64_t slot_stride = 0;
  View<float> out;
};
cudaError_t conv1d(const Conv1d& conv, DeviceSegments segments, cudaStream_t stream);

// Most states a channel may have.
constexpr int64_t kScanStates = 256;

// Device::selective_scan: softplus, recurrence from the slot's state, C, D and silu(z) in one kernel, for prefill and
// decode; the slot then holds the segment's last state. a, state [N, d] as ScanParameters and SsmState have them.
// out may be u or delta. A token's bits do not depend on how its sequence was cut into segments and steps.
struct Scan {
  const float* a = nullptr;
  const float* d = nullptr;
  int64_t states = 0;
  View<const float> u;
  View<const float> delta;
  View<const float> b;
  View<const float> c;
  View<const float> z;
  float* state = nullptr;
  int64_t slot_stride = 0;
  View<float> out;
};
cudaError_t selective_scan(const Scan& scan, DeviceSegments segments, cudaStream_t stream);

// Most values of dt that `state_update` takes: they lie in shared memory.
constexpr int64_t kDtRank = 8192;

// Decode with dt_proj inside: delta = dt · dt_projᵀ + dt_bias, then as selective_scan; scan.delta is not read. Every
// segment has length 1. dt [tokens, r], dt_proj [d, r], dt_bias [d] or null. `dt` is already normed where the family
// norms it. out may be u.
cudaError_t state_update(const Scan& scan, View<const float> dt, const Weights& dt_proj, const float* dt_bias,
                         DeviceSegments segments, cudaStream_t stream);

// --- attention --------------------------------------------------------------------------------------------------

// Most values of a head.
constexpr int64_t kHeadDim = 1024;

// Device::attention. Appends k and v to the slots, then attends. q, out [tokens, heads · head_dim]; k, v [tokens,
// kv_heads · head_dim]; keys, values [slots, capacity, kv_heads · head_dim]. out may be q.
struct Attention {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  float scale = 1;
  View<const float> q;
  View<const float> k;
  View<const float> v;
  float* keys = nullptr;
  float* values = nullptr;
  int64_t slot_stride = 0;
  int64_t capacity = 0;  // tokens of a slot
  View<float> out;
  float* workspace = nullptr;  // attention_workspace() floats, 16-byte aligned; may be null when that is 0
};
cudaError_t attention(const Attention& attention, DeviceSegments segments, cudaStream_t stream);

// Floats that a step of `segments` sequences and at most `longest` tokens of each needs: decode cuts long caches into
// pieces that blocks take side by side. 0 unless longest is 1.
int64_t attention_workspace(int64_t heads, int64_t head_dim, int64_t capacity, int32_t segments, int32_t longest);

// --- sampling ---------------------------------------------------------------------------------------------------

// Most tokens that `top_k` returns.
constexpr int32_t kTopK = 1024;

// ids[row · k + i], values[row · k + i]: the i-th largest of each row, the lower id first where they tie; argmax is
// k = 1. NaN counts as larger than everything, so that it is seen. k ≤ min(columns, kTopK).
cudaError_t top_k(View<const float> logits, int32_t k, int32_t* ids, float* values, cudaStream_t stream);

// --- wire codecs ------------------------------------------------------------------------------------------------

constexpr int kMaxRanks = 16;

// Types on the wire of an AllReduce.
enum class Wire : uint8_t { f32, f16, bf16, int8 };

// A message as comm/message.h lays it out: rows of `values` in groups of `group` values (the last of a row may be
// short), numbered row after row; group g of an int8 message has its scale at scales[g]. On the wire value (row,
// column) stands at row · columns + column.
struct Payload {
  View<float> values;
  Wire wire = Wire::f32;
  int32_t group = 128;
};

// A message's memory on one rank, own or mapped from a peer.
struct WireMemory {
  void* values = nullptr;
  float* scales = nullptr;  // int8 only
};

struct WireParts {
  WireMemory part[kMaxRanks];
  int32_t count = 0;
};

// Groups [begin, end) of payload.values → out. The bits of native/device/cpu/kernels/codec.cpp. `messages`, unless
// null, grows by one.
cudaError_t encode(const Payload& payload, int64_t begin, int64_t end, WireMemory out, cudaStream_t stream,
                   uint32_t* messages = nullptr);

// payload.values = Σ_r decode(part r), in order of r and in f32; one part decodes.
cudaError_t decode_sum(const Payload& payload, int64_t begin, int64_t end, const WireParts& parts, cudaStream_t stream);

// out = encode(Σ_r decode(part r)) without a trip through memory: the owner's half of a two-shot AllReduce. `out` may
// be one of the parts. payload.values.data is not read.
cudaError_t requantise(const Payload& payload, int64_t begin, int64_t end, const WireParts& parts, WireMemory out,
                       cudaStream_t stream);

// --- AllReduce over peer memory ---------------------------------------------------------------------------------

// Blocks of a peer AllReduce; each meets the same block of the other ranks.
constexpr int32_t kPeerBlocks = 32;

// What one rank knows of its group. Every rank of the group calls the same reductions in the same order, each with
// its own `rank`. Kernels of all ranks must run at the same time: one rank a GPU.
struct PeerGroup {
  int32_t rank = 0;
  int32_t ranks = 0;
  // Of each rank, zeroed once before the first use: counters[block · kMaxRanks + from] counts the arrivals of rank
  // `from`, counters[kPeerBlocks · kMaxRanks + block] the own ones. peer_counters() words.
  uint32_t* counters[kMaxRanks] = {};
  // Staging of each rank: two halves that calls take in turn, each for the largest message. peer_staging() bytes,
  // 256-byte aligned.
  std::byte* staging[kMaxRanks] = {};
  int64_t staging_bytes = 0;  // of one rank
  // Mapped host memory, or null: set to nonzero it ends every wait; the sums are then garbage.
  const volatile uint32_t* stop = nullptr;
};

constexpr int64_t peer_counters() { return kPeerBlocks * (kMaxRanks + 1); }
// Of a rank's counters, as they stand: the ranks that its kernel waits for.
std::vector<int> peers_missing(const uint32_t* counters, int32_t rank, int32_t ranks);
// Bytes of staging that a message of `rows` × `columns` needs on each rank, for one_shot and two_shot alike.
int64_t peer_staging(int64_t rows, int64_t columns, Wire wire, int32_t group);

// values ← Σ over ranks, in one kernel. one_shot: everyone reads everyone's message; least latency. two_shot: everyone
// sums a stripe and gathers the others'; least traffic. Every rank ends with identical bits, those that encode,
// decode_sum and requantise would give.
cudaError_t one_shot(const PeerGroup& group, const Payload& payload, cudaStream_t stream);
cudaError_t two_shot(const PeerGroup& group, const Payload& payload, cudaStream_t stream);

}  // namespace stateline::cuda
