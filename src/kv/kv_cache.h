// The paged KV cache as kernels see it: plain views, one for each layer.
//
// A page holds kPageSize tokens of one sequence. A slot numbers a token's place in the pool:
// slot = page * kPageSize + offset; slot -1 means "do not write". Logical position i of a sequence
// lies in page block_table[i / kPageSize], offset i % kPageSize.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace rw {

inline constexpr int64_t kPageSize = 16;

// The order of a page's dims: tokens of a head together (HND), or heads of a token (NHD).
enum class KvLayout : uint8_t { kHnd, kNhd };

// Keys and values of one layer: [pages, kv heads hk, kPageSize, head dim d] each. Strides are in
// elements, so that a kernel serves any order of those dims; d is always contiguous.
struct KvLayerView {
  std::byte* k = nullptr;
  std::byte* v = nullptr;
  DType dtype = DType::kF32;
  int64_t pages = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t page_stride = 0;
  int64_t head_stride = 0;
  int64_t token_stride = 0;
  // Of an f8e4m3 cache: stored = round(x / scale), read = stored * scale, f32[heads] each in the
  // memory of the cache's device; nullptr: 1.
  const float* k_scale = nullptr;
  const float* v_scale = nullptr;

  // First element of a token's row of head `head`.
  int64_t Offset(int64_t page, int64_t head, int64_t token) const {
    return page * page_stride + head * head_stride + token * token_stride;
  }
};

}  // namespace rw
