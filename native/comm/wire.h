// Values of a message to and from the wire, through the codecs of the CPU's kernel table.
#pragma once

#include <cstddef>

#include "comm/message.h"

namespace stateline {

// Writes the stripe's values, and the scales of an int8 wire, at their places in `wire`.
void encode(const Message& message, Stripe stripe, std::byte* wire);

// message.values()[i] = Σ_r decode(wires[r])[i] over the stripe, in order of r and in f32; `count` 1 just decodes.
void decode_sum(const Message& message, Stripe stripe, const std::byte* const* wires, int count);

}  // namespace stateline
