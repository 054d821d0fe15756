// The header of a safetensors file: a JSON object of one fixed shape.
//
//   8 bytes   N, little-endian
//   N bytes   {"__metadata__": {"key": "text", ...},                            (optional)
//              "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//   the rest  data; offsets count from its start and cover it without gap or overlap
//
// (https://github.com/huggingface/safetensors, "Format".) It is read by a parser of its own, in one
// pass without recursion, rather than through base/json.h: it stops at the first thing wrong and
// takes memory only for tensors already accepted, so that a bad file costs little whatever its
// size, where a JSON library first builds a tree several times as large as the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "model/safetensors_lexer.h"

namespace rw {

// One dtype of the format. `dtype` is set where this build computes with it.
struct SafetensorsDType {
  std::string_view name;
  int bits = 0;
  std::optional<DType> dtype;
};

// The row of the format's table with that name, or nullptr.
const SafetensorsDType* FindSafetensorsDType(std::string_view name);

struct SafetensorsEntry {
  std::string name;
  const SafetensorsDType* type = nullptr;
  std::vector<int64_t> shape;  // dims >= 0; empty for a scalar
  size_t begin = 0;            // bytes from the start of the data section
  size_t end = 0;
};

// The format allows headers of 100 MB. This build reads up to kMaxHeaderBytes and kMaxTensors, so
// that refusing a bad one takes milliseconds and little memory. A model of 48 layers with 128
// experts in one file has some 19,000 tensors and 3 MB of header.
inline constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
inline constexpr size_t kMaxTensors = 65'536;
inline constexpr size_t kMaxTensorDims = 32;

struct SafetensorsHeader {
  struct Key {
    size_t hash;  // of the name
    size_t entry;
  };

  std::vector<SafetensorsEntry> entries;  // in the order of the header
  std::vector<Key> by_hash;               // sorted

  const SafetensorsEntry* Find(std::string_view name) const;  // nullptr if absent
};

// Checks the entries against each other and against the length of the data section. `where` stands
// for the file in messages; offsets in them count from the file's start.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view header, size_t data_bytes,
                                                 const std::string& where);

}  // namespace rw
