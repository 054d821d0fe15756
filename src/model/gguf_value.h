// A value of a GGUF file's metadata: a number, a truth, a text, or an array of one of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rw {

// As numbered in the file.
enum class GgufKind : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

// A view of bytes in the file, which must outlive it; the parser has checked that all of the value
// lies there. Cheap to copy.
class GgufValue {
 public:
  // `element` and `count` are those of an array; `bytes` begin with the value's first element.
  GgufValue(std::string where, GgufKind kind, GgufKind element, uint64_t count,
            std::span<const std::byte> bytes)
      : where_(std::move(where)), kind_(kind), element_(element), count_(count), bytes_(bytes) {}

  GgufKind kind() const { return kind_; }
  uint64_t count() const { return count_; }  // of an array's elements

  Result<int64_t> AsInt() const;    // of any whole type
  Result<double> AsDouble() const;  // of any number
  Result<bool> AsBool() const;
  Result<std::string_view> AsString() const;  // any bytes; lives with the file
  // A number as text that reads back as the same: an f32 with as few digits as that takes.
  Result<std::string> NumberText() const;

  // Elements in order. An error if this is no array of strings, or of numbers.
  Status ForEachString(const std::function<Status(size_t, std::string_view)>& visit) const;
  Status ForEachNumber(const std::function<Status(size_t, double)>& visit) const;

  // "model.gguf: llama.block_count"
  const std::string& where() const { return where_; }
  // An error here: "<where>: expected <wanted>, found <what is here>".
  tl::unexpected<Error> Expected(std::string_view wanted) const;

 private:
  std::string where_;
  GgufKind kind_;
  GgufKind element_;
  uint64_t count_;
  std::span<const std::byte> bytes_;
};

// Bytes of a value of that kind; 0 for strings and arrays, and for numbers that are no kind.
size_t SizeOfGguf(GgufKind kind);

// A little-endian number at the front of `bytes`, which must be long enough.
template <class T>
T LoadLittleEndian(std::span<const std::byte> bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes[i]) << (8 * i)));
  }
  return value;
}

}  // namespace rw
