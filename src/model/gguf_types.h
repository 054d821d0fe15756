// The tensor types of GGUF files: how many bytes each takes, and which this build reads as what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/dtype.h"

namespace rw {

// One row of ggml.h's enum ggml_type with its entry in ggml.c's type_traits. Elements of a row
// stand in blocks; `dtype` is the type of ours that holds exactly the same numbers, if there is
// one:
//
//   q8_0  i8g32   d and 32 codes -128..127
//   q5_0  i8g32   codes 0..31 less 16: exact, but 8 bits instead of 5
//   q4_0  i4g32   codes 0..15 less 8
//   q4_K  q4k     d, dmin, 6-bit scales and minimums of groups of 32, codes 0..15
//   q6_K  q6k     d, 8-bit scales of groups of 16, codes 0..63 less 32
//
// q4_1, q5_1 and q5_K have a minimum of their own beside 4 or 5 bits, which no type of ours holds
// exactly.
struct GgufTensorType {
  uint32_t id;
  std::string_view name;
  int64_t block;        // elements
  int64_t block_bytes;  // at most 292
  std::optional<DType> dtype;
};

// The row with that id, or nullptr.
const GgufTensorType* FindGgufTensorType(uint32_t id);

// "F32, F16, ...": the types that this build reads.
std::string ReadGgufTypes();

}  // namespace rw
