// What the attention kernels share: their operands, and where a query's positions lie.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/args.h"
#include "kernels/gpu/attention.h"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/types.cuh"

namespace rw::gpu {

inline constexpr int kPageRows = static_cast<int>(kPageSize);

struct AttentionParams {
  const void* q;
  void* y;
  const int32_t* qstart;
  const int32_t* len;
  const int32_t* table;
  const void* k;
  const void* v;
  const float* k_scale;  // null: 1
  const float* v_scale;
  float* stats;  // of parts (attention.h)
  float* sums;
  uint32_t* counters;
  int64_t q_stride, y_stride, table_stride, page_stride, head_stride;
  int token_stride;
  int sequences, rows, hq, group, d;
  int pages, table_pages;  // of the cache; of a row of the table
  int window;              // 0: full
  float scale, softcap;    // softcap 0: none
  int max_parts;           // of any sequence of the step
};

// Whether rows of keys and values can be read 16 bytes at a time.
inline bool KeysPack(const KvLayerView& kv) {
  const auto size = static_cast<int64_t>(SizeOf(kv.dtype));
  const auto fits = [](int64_t bytes) { return bytes % 16 == 0; };
  return fits(reinterpret_cast<intptr_t>(kv.k)) && fits(reinterpret_cast<intptr_t>(kv.v)) &&
         fits(kv.head_dim * size) && fits(kv.page_stride * size) && fits(kv.head_stride * size) &&
         fits(kv.token_stride * size);
}

// The operands, and the parts' memory on the queue.
inline AttentionParams MakeAttentionParams(const Queue& queue, const AttentionArgs& args) {
  const KvLayerView& kv = args.kv;
  const int64_t table_positions = args.table.width() * kPageSize;
  const int64_t length = queue.bounds.max_length > 0
                             ? std::min(queue.bounds.max_length, table_positions)
                             : table_positions;
  int64_t pages = CeilDiv(length, kPageSize);
  // A window of w positions touches at most so many pages.
  if (args.window > 0) pages = std::min(pages, (args.window + kPageSize - 2) / kPageSize + 1);
  const int64_t parts = MaxParts(pages);
  const int64_t heads = args.sequences * parts * args.hq;
  RW_CHECK(parts == 1 || PartBytes(heads, args.d) <= queue.scratch_bytes,
           "{} bytes of scratch for {} parts of heads of {}", queue.scratch_bytes, heads, args.d);
  RW_CHECK(parts == 1 || args.sequences * args.hq <= Queue::kCounters, "{} sequences of {} heads",
           args.sequences, args.hq);
  AttentionParams p{};
  p.q = args.q.data;
  p.y = args.y.data;
  p.qstart = args.qstart.row<const int32_t>(0);
  p.len = args.len.row<const int32_t>(0);
  p.table = args.table.row<const int32_t>(0);
  p.k = kv.k;
  p.v = kv.v;
  p.k_scale = kv.k_scale;
  p.v_scale = kv.v_scale;
  p.stats = reinterpret_cast<float*>(queue.scratch);
  p.sums = p.stats + PartStatFloats(heads);
  p.counters = queue.counters;
  p.q_stride = args.q.row_stride;
  p.y_stride = args.y.row_stride;
  p.table_stride = args.table.row_stride;
  p.page_stride = kv.page_stride;
  p.head_stride = kv.head_stride;
  p.token_stride = static_cast<int>(kv.token_stride);
  p.sequences = static_cast<int>(args.sequences);
  p.rows = static_cast<int>(args.q.rows());
  p.hq = static_cast<int>(args.hq);
  p.group = static_cast<int>(args.group);
  p.d = static_cast<int>(args.d);
  p.pages = static_cast<int>(kv.pages);
  p.table_pages = static_cast<int>(args.table.width());
  p.window = static_cast<int>(args.window);
  p.scale = args.scale;
  p.softcap = args.softcap;
  p.max_parts = static_cast<int>(parts);
  return p;
}

#if defined(__CUDACC__) || defined(__HIPCC__)

// First position that a query at `position` attends to.
__device__ __forceinline__ int WindowBegin(const AttentionParams& p, int position) {
  return p.window > 0 && position >= p.window ? position - p.window + 1 : 0;
}

// The page that a sequence has at `index`; -1 where it has none.
__device__ __forceinline__ int PageAt(const AttentionParams& p, const int32_t* table, int index) {
  const int page = index < p.table_pages ? Peek(table + index) : -1;
  return page >= 0 && page < p.pages ? page : -1;
}

// Head `head` of a page, or of the cache's first page where there is none.
template <class C>
__device__ __forceinline__ const C* PageOf(const AttentionParams& p, const void* plane, int page,
                                           int head) {
  return static_cast<const C*>(plane) + (page < 0 ? 0 : page) * p.page_stride +
         head * p.head_stride;
}

__device__ __forceinline__ float CacheScale(const float* scales, int head) {
  return scales == nullptr ? 1.0f : scales[head];
}

// A part of the positions that one query attends to.
struct Part {
  int begin, end;             // the query's positions
  int first_page, last_page;  // of the part: [first, last)
  int parts;                  // that the query has; 0: `index` is none of them
};
__device__ __forceinline__ Part FindPart(const AttentionParams& p, int position, int index) {
  Part part{WindowBegin(p, position), position + 1};
  const int first = part.begin / kPageRows;
  const int last = position / kPageRows + 1;
  const int pages = PartPages(last - first);
  part.first_page = first + index * pages;
  part.last_page = min(part.first_page + pages, last);
  part.parts = part.first_page < last ? (last - first + pages - 1) / pages : 0;
  return part;
}

#endif

}  // namespace rw::gpu
