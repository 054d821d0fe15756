// Where the rows of a program's ports lie: what every interpreter on the CPU shares.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "kernels/kernel.h"

namespace rw {

// Row (i, head) of a part's domain.
struct NativeRowIndex {
  int64_t i;
  int64_t head;
};

// The number that row i's picker holds.
inline int64_t PickedIndex(const KernelCall& call, const native::Instr& instr, int64_t i) {
  return *call.in[static_cast<size_t>(instr.picker)].row<const int32_t>(i);
}

// Element `at.begin` of the row that a load reads.
inline const std::byte* LoadFrom(const KernelCall& call, const native::Part& part,
                                 const native::Instr& instr, NativeRowIndex at) {
  const TensorView& view = call.in[static_cast<size_t>(instr.port)];
  int64_t element = instr.at.begin;
  if (instr.rows == native::Rows::kOwn) {
    element += at.i * view.row_stride + at.head * part.width;
  } else if (instr.rows == native::Rows::kPicked) {
    const int64_t row = PickedIndex(call, instr, at.i);
    RW_CHECK(row >= 0 && row < view.rows(), "row {} of {}", row, view.rows());
    element += row * view.row_stride;
  }
  return view.data + element * static_cast<int64_t>(SizeOf(view.dtype));
}

inline std::byte* StoreTo(const KernelCall& call, const native::Part& part,
                          const native::Instr& instr, NativeRowIndex at) {
  const TensorView& view = call.out[static_cast<size_t>(instr.port)];
  const int64_t element = at.i * view.row_stride + at.head * part.width + instr.at.begin;
  return view.data + element * static_cast<int64_t>(SizeOf(view.dtype));
}

// Where a kStoreCache goes; data null: nowhere.
struct CachePlace {
  std::byte* data = nullptr;
  float scale = 1;  // of an f8e4m3 cache
};
CachePlace StoreToCache(const KernelCall& call, const native::Instr& instr, NativeRowIndex at);

}  // namespace rw
