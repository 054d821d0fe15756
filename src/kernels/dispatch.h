// From an element type known at run time to a C++ type known at compile time.
#pragma once

#include "base/check.h"
#include "base/dtype.h"

namespace rw {

inline bool IsFloat(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

// Calls fn(T{}) with the C++ type of a float `dtype`.
template <class Fn>
void WithFloatType(DType dtype, const Fn& fn) {
  switch (dtype) {
    case DType::kF32:
      return fn(float{});
    case DType::kF16:
      return fn(F16{});
    case DType::kBF16:
      return fn(BF16{});
    default:
      break;
  }
  RW_CHECK(false, "{} is no float type", Name(dtype));
}

// A KV cache holds floats, or fp8 with scales.
inline bool IsCacheType(DType dtype) { return IsFloat(dtype) || dtype == DType::kF8E4M3; }

// Calls fn(T{}) with the C++ type of a cache's `dtype`.
template <class Fn>
void WithCacheType(DType dtype, const Fn& fn) {
  if (dtype == DType::kF8E4M3) return fn(F8E4M3{});
  WithFloatType(dtype, fn);
}

}  // namespace rw
