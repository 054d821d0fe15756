// A plain view of a dense array: what kernels take and what a checkpoint hands out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/dtype.h"

namespace rw {

inline constexpr int kMaxRank = 4;

// Elements are contiguous within a row (all dims but the first); rows lie `row_stride` elements
// apart, so that a slice of columns is a view too. Rank 1: a row has one element and stride 1.
struct TensorView {
  std::byte* data = nullptr;
  DType dtype = DType::kF32;
  int rank = 0;
  std::array<int64_t, kMaxRank> dims{};
  int64_t row_stride = 0;  // elements

  static TensorView Contiguous(void* data, DType dtype, std::span<const int64_t> dims) {
    RW_CHECK(dims.size() <= kMaxRank);
    TensorView view{static_cast<std::byte*>(data), dtype, static_cast<int>(dims.size()), {}, 1};
    for (size_t i = 0; i < dims.size(); ++i) view.dims[i] = dims[i];
    for (size_t i = 1; i < dims.size(); ++i) view.row_stride *= dims[i];
    return view;
  }

  int64_t rows() const { return rank == 0 ? 1 : dims[0]; }
  // Elements in one row.
  int64_t width() const {
    int64_t product = 1;
    for (int i = 1; i < rank; ++i) product *= dims[i];
    return product;
  }
  int64_t size() const { return rows() * width(); }
  bool contiguous() const { return rows() <= 1 || row_stride == width(); }

  template <class T>
  T* row(int64_t i) const {
    return reinterpret_cast<T*>(data) + i * row_stride;
  }
  template <class T>
  std::span<T> flat() const {
    RW_CHECK(contiguous());
    return {reinterpret_cast<T*>(data), static_cast<size_t>(size())};
  }
};

}  // namespace rw
