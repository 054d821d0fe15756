// Types of values in a graph: dense tensors with named dims, and the KV cache of one layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace rw {

// A size: a number, or a symbol that gets its number at each run ("n" tokens of this step, "r" rows
// that need logits, "s" sequences, "p" pages in a block table row, "m" rows of a table).
struct Dim {
  int64_t value = 0;
  std::string symbol;  // empty for a number

  Dim(int64_t number) : value(number) {}        // NOLINT: reads as a literal
  Dim(std::string_view name) : symbol(name) {}  // NOLINT
  Dim(const char* name) : symbol(name) {}       // NOLINT
  bool is_symbol() const { return !symbol.empty(); }
  bool operator==(const Dim&) const = default;
};

struct Type {
  enum class Kind : uint8_t { kTensor, kKv };
  Kind kind = Kind::kTensor;
  DType dtype = DType::kF32;  // of the elements; of the cache's elements for kKv
  std::vector<Dim> dims;      // [kv heads, head dim] for kKv

  static Type Tensor(DType dtype, std::vector<Dim> dims) {
    return {Kind::kTensor, dtype, std::move(dims)};
  }
  static Type Kv(DType dtype, int64_t heads, int64_t head_dim) {
    return {Kind::kKv, dtype, {heads, head_dim}};
  }
  bool is_kv() const { return kind == Kind::kKv; }
  bool operator==(const Type&) const = default;
};

std::string ToString(const Dim& dim);    // "128" or "n"
std::string ToString(const Type& type);  // "bf16[n,128]", "kv<bf16>[8,128]"

}  // namespace rw
