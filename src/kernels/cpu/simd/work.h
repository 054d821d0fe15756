// How vector kernels share work among threads, and where they keep what outlives no call.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/tensor.h"
#include "base/thread_pool.h"

namespace rw::simd {

// Below about this many elements, waking another thread costs more than it saves.
inline constexpr int64_t kElementsPerTask = 16384;

// Rows of `width` elements that one task should take.
inline int64_t RowsPerTask(int64_t width) {
  return std::max<int64_t>(1, kElementsPerTask / std::max<int64_t>(1, width));
}

// Calls piece(row, first element, count) so that the pieces cover n rows of `width`. Where nothing
// lies between the rows (`contiguous`), the whole is one long row.
template <class Fn>
void ForPieces(ThreadPool& pool, int64_t rows, int64_t width, bool contiguous, const Fn& piece) {
  if (contiguous) {
    pool.ParallelFor(rows * width, kElementsPerTask,
                     [&](int64_t begin, int64_t end) { piece(0, begin, end - begin); });
    return;
  }
  pool.ParallelFor(rows, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) piece(i, 0, width);
  });
}

// Scratch memory of the calling thread, 64-byte aligned and kept from call to call: it only ever
// grows. One slot holds one array at a time.
enum class Scratch : uint8_t { kOperand, kTile };
float* ScratchFloats(Scratch slot, int64_t count);

}  // namespace rw::simd
