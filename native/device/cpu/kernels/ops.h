// What the files of this folder define for table.cpp, in this instruction set's own namespace.
#pragma once

#include "device/cpu/kernels.h"

namespace stateline::cpu::STATELINE_ISA {

extern const Kernels table;

void weights_f32_from_f32(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_f32_from_f16(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_f32_from_bf16(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_int8_from_f32(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_int8_from_f16(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_int8_from_bf16(const void* const*, int64_t, int64_t, int64_t, void*);
void activations_int8(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_bf16_from_f32(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_bf16_from_f16(const void* const*, int64_t, int64_t, int64_t, void*);
void weights_bf16_from_bf16(const void* const*, int64_t, int64_t, int64_t, void*);
void activations_bf16(const void* const*, int64_t, int64_t, int64_t, void*);

void product_f32(const Product& product);
void product_bf16(const Product& product);
void product_int8(const Product& product);
void widen_bf16(const Product& product);

void conv1d(const Conv& conv, int64_t begin, int64_t end);
void scan(const Scan& scan, int64_t begin, int64_t end);
void norm(float* residual, const float* delta, const float* weight, float epsilon, float* out, int64_t n);
void add(const float* a, const float* b, float* out, int64_t n);
int64_t first_above(const float* values, int64_t begin, int64_t end, float least);
int64_t gather_between(const float*, const int32_t*, int64_t begin, int64_t end, float least, float most, float*,
                       int32_t*);
double weigh(const float* logits, int64_t count, float best, double rate, double* weights);
void attention(const Attention& attention);
void gelu_gate(const float* gate, const float* up, float* out, int64_t n);

void encode_f16(const float* in, uint16_t* out, int64_t n);
void encode_bf16(const float* in, uint16_t* out, int64_t n);
void encode_int8(const float* in, int64_t n, int32_t group, int8_t* out, float* scales);
void sum_f32(const float* const* parts, int count, float* out, int64_t n);
void sum_f16(const uint16_t* const* parts, int count, float* out, int64_t n);
void sum_bf16(const uint16_t* const* parts, int count, float* out, int64_t n);
void sum_int8(const int8_t* const* parts, const float* const* scales, int count, int32_t group, float* out, int64_t n);

void exp2_values(const float* in, float* out, int64_t n);
void softplus_values(const float* in, float* out, int64_t n);
void silu_values(const float* in, float* out, int64_t n);
void gelu_values(const float* in, float* out, int64_t n);

float read(const void* data, int64_t bytes);
float multiply_add_f32(int64_t rounds, int64_t* flops);
float multiply_add_bf16(int64_t rounds, int64_t* flops);
float multiply_add_int8(int64_t rounds, int64_t* flops);
float update_states(int64_t rounds, int64_t* states);

}  // namespace stateline::cpu::STATELINE_ISA
