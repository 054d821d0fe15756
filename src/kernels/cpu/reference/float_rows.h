// Rows of any float type, or of a cache, as rows of float, and back with one rounding.
#pragma once

#include <algorithm>
#include <vector>

#include "base/tensor.h"
#include "kernels/dispatch.h"

namespace rw::reference {

inline void ToFloats(DType dtype, const std::byte* from, int64_t n, float* to) {
  WithCacheType(dtype, [&]<class T>(T) {
    const T* source = reinterpret_cast<const T*>(from);
    for (int64_t i = 0; i < n; ++i) to[i] = ToFloat(source[i]);
  });
}

inline void FromFloats(DType dtype, const float* from, int64_t n, std::byte* to) {
  WithCacheType(dtype, [&]<class T>(T) {
    T* target = reinterpret_cast<T*>(to);
    for (int64_t i = 0; i < n; ++i) target[i] = RoundTo<T>(from[i]);
  });
}

// Where row i begins.
inline std::byte* RowBytes(const TensorView& x, int64_t i) {
  return x.data + i * x.row_stride * static_cast<int64_t>(SizeOf(x.dtype));
}

inline std::vector<float> ReadRow(const TensorView& x, int64_t i) {
  std::vector<float> row(x.width());
  ToFloats(x.dtype, RowBytes(x, i), x.width(), row.data());
  return row;
}

inline void WriteRow(const TensorView& y, int64_t i, const std::vector<float>& row) {
  FromFloats(y.dtype, row.data(), y.width(), RowBytes(y, i));
}

// Each number as it would be after being stored as t.
inline void RoundRow(DType t, std::vector<float>& row) {
  WithFloatType(t, [&]<class T>(T) {
    for (float& x : row) x = ToFloat(RoundTo<T>(x));
  });
}

// All elements of a rank-1 tensor.
inline std::vector<float> ReadVector(const TensorView& x) {
  RW_CHECK(x.rank == 1);
  std::vector<float> values(x.dims[0]);
  ToFloats(x.dtype, x.data, x.dims[0], values.data());
  return values;
}

}  // namespace rw::reference
