// What a block of prefill attention computes: a tile of rows of one kv head. Row r of a sequence is
// its new query r / group and query head r % group of the kv head, so that a key is loaded once for
// all heads that use it.
#pragma once

#include "kernels/cuda/attention_mma.cuh"

namespace rw::cuda {

struct PrefillTask {
  int kv_head;
  int first_query;  // row of q of the sequence's first new query
  int first, rows;  // rows [first, first + tile) of `rows`; 0: nothing to do
  int offset;       // position of the sequence's first new query
  int begin, end;   // positions that any of the tile's rows attends to
  const int32_t* table;

  __device__ int Position(const AttentionParams& p, int row) const {
    return offset + min(row, rows - 1) / p.group;
  }
  // Element 0 of a row in q or y.
  __device__ int64_t At(const AttentionParams& p, int64_t stride, int row) const {
    return (first_query + row / p.group) * stride +
           int64_t{kv_head * p.group + row % p.group} * p.d;
  }
};

// Tiles of `tile_rows` rows for all sequences of the step, of one kv head. A sequence's tiles begin
// at number row * group / tile_rows + sequence, which leaves one number for the part of a tile
// before and after each.
inline int PrefillTiles(const AttentionParams& p, int tile_rows) {
  return static_cast<int>(int64_t{p.rows} * p.group / tile_rows) + p.sequences;
}

// The task of tile number `index`, `rows` 0 where there is none; for all lanes of a warp, which
// take part together.
__device__ __forceinline__ PrefillTask FindTask(const AttentionParams& p, int tile_rows, int index,
                                                int kv_head) {
  constexpr unsigned kAll = 0xffffffffu;
  const int lane = threadIdx.x % 32;
  const auto first_tile = [&](int sequence, int row) {
    return static_cast<int>(int64_t{row} * p.group / tile_rows) + sequence;
  };
  int low = 0, high = p.sequences;  // the last sequence whose tiles begin at `index` or before
  while (high - low > 1) {
    const int step = (high - low + 31) / 32;
    const int sequence = low + lane * step;
    const bool begins = sequence < high && first_tile(sequence, p.qstart[sequence]) <= index;
    low += (__popc(__ballot_sync(kAll, begins)) - 1) * step;
    high = min(high, low + step);
  }
  PrefillTask task{};
  if (low == high) return task;
  const int row = p.qstart[low];
  const int count = p.qstart[low + 1] - row;
  const int64_t first = int64_t{index - first_tile(low, row)} * tile_rows;
  task.offset = p.len[low] - count;
  if (count <= 1 || first < 0 || first >= int64_t{count} * p.group) return task;
  if (task.offset < 0 || row + count > p.rows) return task;
  task.kv_head = kv_head;
  task.first_query = row;
  task.first = static_cast<int>(first);
  task.rows = count * p.group;
  task.begin = gpu::WindowBegin(p, task.Position(p, task.first));
  task.end = task.Position(p, task.first + tile_rows - 1) + 1;
  task.table = p.table + low * p.table_stride;
  return task;
}

}  // namespace rw::cuda
