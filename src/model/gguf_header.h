// The header of a GGUF file, version 2 or 3, little-endian:
//
//   "GGUF", u32 version, u64 tensors, u64 keys
//   keys:     string name, u32 kind, the value
//   tensors:  string name, u32 dims, u64 dims[] (the fastest first), u32 type, u64 offset
//   the rest  data, from the next multiple of general.alignment (32 if absent) on; offsets count
//             from there and are such multiples too
//
// where a string is u64 length and bytes, and an array is u32 kind, u64 count and elements. Truths
// are one byte. (https://github.com/ggml-org/ggml, docs/gguf.md.) Nothing is trusted: a count takes
// memory only as the entries it promises are read, and every byte that an entry claims lies in the
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "model/gguf_types.h"
#include "model/gguf_value.h"

namespace rw {

struct GgufTensor {
  std::string name;
  const GgufTensorType* type = nullptr;
  std::vector<int64_t> shape;  // the slowest first, as everywhere else here; all >= 1
  size_t begin = 0;            // bytes from the file's start
  size_t end = 0;

  int64_t width() const { return shape.back(); }
  int64_t rows() const;  // product of the other dims
};

// Far above any model there is.
inline constexpr size_t kMaxGgufKeys = 65'536;
inline constexpr size_t kMaxGgufTensors = 65'536;
inline constexpr size_t kMaxGgufName = 1024;  // bytes

struct GgufHeader {
  std::vector<GgufValue> values;  // in the order of the file
  std::vector<GgufTensor> tensors;
  std::unordered_map<std::string_view, size_t> key_places;  // of the file's bytes
  std::unordered_map<std::string, size_t> tensor_places;
};

// `bytes` is the whole file, `where` stands for it in messages; offsets in them count from the
// file's start.
Result<GgufHeader> ParseGgufHeader(std::span<const std::byte> bytes, const std::string& where);

}  // namespace rw
