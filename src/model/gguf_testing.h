// The bytes of GGUF files, for tests: right ones, and wrong ones by setting what a writer would
// not.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf_value.h"

namespace rw {

template <class T>
std::string GgufNumber(T value) {
  uint64_t bits = 0;
  if constexpr (sizeof(T) == 4 && !std::is_integral_v<T>) {
    bits = std::bit_cast<uint32_t>(value);
  } else {
    bits = static_cast<uint64_t>(value);
  }
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(bits >> (8 * i));
  return bytes;
}

inline std::string GgufText(std::string_view text) {
  return GgufNumber(static_cast<uint64_t>(text.size())).append(text);
}

class GgufBytes {
 public:
  uint32_t version = 3;
  uint64_t more_keys = 0;  // promised beyond those added
  uint64_t more_tensors = 0;

  GgufBytes& Raw(std::string_view key, GgufKind kind, std::string_view value) {
    keys_ += GgufText(key) + GgufNumber(static_cast<uint32_t>(kind));
    keys_ += value;
    ++key_count_;
    return *this;
  }
  GgufBytes& Text(std::string_view key, std::string_view value) {
    return Raw(key, GgufKind::kString, GgufText(value));
  }
  GgufBytes& Whole(std::string_view key, uint32_t value) {
    return Raw(key, GgufKind::kU32, GgufNumber(value));
  }
  GgufBytes& Float(std::string_view key, float value) {
    return Raw(key, GgufKind::kF32, GgufNumber(value));
  }
  GgufBytes& Bool(std::string_view key, bool value) {
    return Raw(key, GgufKind::kBool, std::string(1, value ? '\1' : '\0'));
  }
  GgufBytes& Texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = ArrayOf(GgufKind::kString, values.size());
    for (const std::string& value : values) bytes += GgufText(value);
    return Raw(key, GgufKind::kArray, bytes);
  }
  GgufBytes& Floats(std::string_view key, const std::vector<float>& values) {
    std::string bytes = ArrayOf(GgufKind::kF32, values.size());
    for (const float value : values) bytes += GgufNumber(value);
    return Raw(key, GgufKind::kArray, bytes);
  }
  GgufBytes& Wholes(std::string_view key, const std::vector<int32_t>& values) {
    std::string bytes = ArrayOf(GgufKind::kI32, values.size());
    for (const int32_t value : values) bytes += GgufNumber(value);
    return Raw(key, GgufKind::kArray, bytes);
  }

  // `shape` has the slowest dim first; `type` is the file's number.
  GgufBytes& Tensor(std::string_view name, const std::vector<int64_t>& shape, uint32_t type,
                    std::string_view data) {
    data_.resize((data_.size() + 31) / 32 * 32);
    TensorAt(name, shape, type, data_.size());
    data_ += data;
    return *this;
  }
  GgufBytes& TensorAt(std::string_view name, const std::vector<int64_t>& shape, uint32_t type,
                      uint64_t offset) {
    tensors_ += GgufText(name) + GgufNumber(static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) tensors_ += GgufNumber(shape[i]);
    tensors_ += GgufNumber(type) + GgufNumber(offset);
    ++tensor_count_;
    return *this;
  }

  std::string Bytes() const {
    std::string bytes = "GGUF" + GgufNumber(version) + GgufNumber(tensor_count_ + more_tensors) +
                        GgufNumber(key_count_ + more_keys) + keys_ + tensors_;
    bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + data_;
  }

  static std::string ArrayOf(GgufKind element, uint64_t count) {
    return GgufNumber(static_cast<uint32_t>(element)) + GgufNumber(count);
  }

 private:
  std::string keys_, tensors_, data_;
  uint64_t key_count_ = 0;
  uint64_t tensor_count_ = 0;
};

}  // namespace rw
