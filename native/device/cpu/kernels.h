// The table of CPU kernels: one per instruction set, all with the same members. Plain C types only, because every file
// of kernels/ is compiled for instruction sets that the machine may lack: an inline function of a shared header would
// become a weak symbol there, and the linker could choose the AVX-512 body of it for everyone.
#pragma once

#include <stdint.h>

namespace stateline::cpu {

// Rows of words for the matrix kernels. A word is 32 bits: one f32, or two bf16 neighbours of a row, the even one low.
// out[word][lane] = word of rows[lane]; lanes from `count` on, and values behind `columns`, are zero.
// Rows need no alignment: weights come straight from the mapped checkpoint.
// int8 has four neighbours a word, in groups of kGroup neighbours that share a scale, amax/127 of each lane: a group is
// a word of scales a lane (for activations as many again that the product asks for), then its words.
constexpr int64_t kGroup = 128;
constexpr int64_t kBlockBytes = 24 << 10;  // of a widened block of a panel: most of a usual first-level cache
using Interleave = void (*)(const void* const* rows, int64_t count, int64_t columns, int64_t lanes, void* out);

// out[i][0..columns) = Σ_k a[k][i] · panel[k][0..columns) + bias for the `rows` rows of one tile and one panel, or for
// some words of them: a product that resumes adds to `out`, and so sums in the order of one that takes them all.
struct Product {
  const void* activations;  // interleaved, `rows` lanes
  int64_t rows;             // 1..tile
  const void* panel;        // interleaved weights, Kernels::panel lanes
  const float* bias;        // Kernels::panel values, or null
  int64_t words;            // of a row of weights, scales not counted
  bool resume;
  int64_t columns;  // 1..panel; the rest of the panel is padding
  float* out;
  int64_t out_stride;
  void* wide;         // room for a block of kBlockBytes; see Kernels::widen
  const void* ahead;  // weights that will be wanted next: asked for from here on,
  int64_t stride;     // so many bytes for each word
};

// One segment of one layer's convolution; see Device::conv1d.
struct Conv {
  const float* weight;  // [taps, channels]
  const float* bias;    // [channels], or null
  int64_t taps;
  int64_t channels;  // row length of weight and state
  const float* x;
  int64_t x_stride;
  float* state;  // [taps - 1, channels]
  float* out;
  int64_t out_stride;
  int64_t tokens;
};

// One segment of one layer's scan; see Device::selective_scan.
struct Scan {
  const float* a;  // [states, channels]
  const float* d;  // [channels]
  int64_t states;
  int64_t channels;  // row length of a and state
  const float* u;
  int64_t u_stride;
  const float* delta;
  int64_t delta_stride;
  const float* b;
  int64_t b_stride;
  const float* c;
  int64_t c_stride;
  const float* z;
  int64_t z_stride;
  float* state;  // [states, channels]
  float* out;
  int64_t out_stride;
  int64_t tokens;
};

// Queries of one head and one segment against its keys; see Device::attention.
struct Attention {
  const float* q;
  int64_t q_stride;
  const float* keys;  // of the sequence's first token
  const float* values;
  int64_t cache_stride;
  int64_t head_dim;
  float scale;
  int64_t position;  // tokens before the first query; query t attends to position + t + 1 tokens
  int64_t tokens;
  float* out;
  int64_t out_stride;
};

struct Kernels {
  const char* isa;

  // Matrix product. Index 0 is ComputeType::f32, 1 bf16, 2 int8.
  int64_t panel;                         // rows of a weight panel (columns of the product)
  int64_t tile[3];                       // most rows of an activation tile
  int64_t activation_words[3];           // words of an activation row for each word of a weight row
  int64_t activation_header;             // words before each group of an int8 activation row
  Interleave interleave_weights[3][3];   // [stored DType][ComputeType]
  Interleave interleave_activations[3];  // from f32; bf16 and int8 round to nearest even
  void (*product[3])(const Product& product);

  // Products of more rows than a tile take each panel in blocks, which stay in the first-level cache for all tiles.
  // Where `widen` is not null it computes the first tile and writes the block as `block_product` reads it, with a word
  // for each of an activation row.
  int64_t block_words[3];  // of a weight row
  void (*widen[3])(const Product& product);
  void (*block_product[3])(const Product& product);

  // Channels [begin, end) of one segment.
  int64_t channel_block;  // begin is a multiple of this
  void (*conv1d)(const Conv& conv, int64_t begin, int64_t end);
  void (*scan)(const Scan& scan, int64_t begin, int64_t end);

  // One row of Device::norm. delta may be null; weight null means ones.
  void (*norm)(float* residual, const float* delta, const float* weight, float epsilon, float* out, int64_t n);

  // out = a + b; out may be either.
  void (*add)(const float* a, const float* b, float* out, int64_t n);

  // The first of [begin, end) that is not at most `least`, as NaN is not; `end` where there is none.
  int64_t (*first_above)(const float* values, int64_t begin, int64_t end, float least);

  // See device/row.h.
  int64_t (*gather_between)(const float* values, const int32_t* ids, int64_t begin, int64_t end, float least,
                            float most, float* out_values, int32_t* out_ids);
  double (*weigh)(const float* logits, int64_t count, float best, double rate, double* weights);

  void (*attention)(const Attention& attention);

  // out = gelu(gate)·up; out may be either.
  void (*gelu_gate)(const float* gate, const float* up, float* out, int64_t n);

  // Wire codecs. All round to nearest even and carry NaN and infinity.
  void (*encode_f16)(const float* in, uint16_t* out, int64_t n);
  void (*encode_bf16)(const float* in, uint16_t* out, int64_t n);
  // One row in groups of `group` values, the last may be short: scale = amax / 127. A group of zeros has scale 0;
  // one that holds NaN or infinity has scale NaN, and so decodes to NaN.
  void (*encode_int8)(const float* in, int64_t n, int32_t group, int8_t* out, float* scales);

  // out[i] = Σ_r decode(parts[r][i]), in order of r and in f32; `count` 1 decodes.
  void (*sum_f32)(const float* const* parts, int count, float* out, int64_t n);
  void (*sum_f16)(const uint16_t* const* parts, int count, float* out, int64_t n);
  void (*sum_bf16)(const uint16_t* const* parts, int count, float* out, int64_t n);
  void (*sum_int8)(const int8_t* const* parts, const float* const* scales, int count, int32_t group, float* out,
                   int64_t n);

  // out[i] = f(in[i]), as conv1d, scan and gelu_gate compute it: for tests and for whoever plots the errors.
  void (*exp2)(const float* in, float* out, int64_t n);
  void (*softplus)(const float* in, float* out, int64_t n);
  void (*silu)(const float* in, float* out, int64_t n);
  void (*gelu)(const float* in, float* out, int64_t n);

  // Floors of the machine, for benchmarks. Each returns a value that depends on all work, so that none is dropped.
  float (*read)(const void* data, int64_t bytes);            // streams memory into registers
  float (*multiply_add[3])(int64_t rounds, int64_t* flops);  // keeps the multipliers busy from registers alone
  float (*update_states)(int64_t rounds, int64_t* states);   // a scan's recurrence from registers alone
};

}  // namespace stateline::cpu
