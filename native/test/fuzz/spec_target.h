// What a fuzzer drives: bytes are edits to a valid engine spec and its file, which then loads and computes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stateline::test {

// Returns when the edited model gave finite logits or was refused by an Error; aborts on everything else.
void load_edited_spec(const uint8_t* data, size_t size);

}  // namespace stateline::test
