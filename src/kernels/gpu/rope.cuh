// What the rope kernels share: their parameters, where heads lie and how the work is divided.
//
// A token's heads stand in three parts: q, k and, with a cache, v. A thread holds two octets of a
// head, chosen so that pairs never leave it, and does the same for several heads of the part with
// the same angles: its column. `lanes` threads share a head.
#pragma once

#include "base/dtype.h"
#include "kernels/args.h"
#include "kernels/gpu/kv.cuh"
#include "kernels/scalar_math.h"
#include "kv/kv_cache.h"

namespace rw::gpu {

struct RopeParams {
  const void* q;
  const void* k;
  const void* v;
  void* q_out;
  // Where k, and v if it is given, go: a cache, or a result of rope as a cache whose slots are the
  // rows.
  KvLayerView kv;
  const int32_t* pos;
  const int32_t* slot;  // null: the row
  const float* cs;
  const void* qw;  // with norms
  const void* kw;
  int64_t q_stride, k_stride, v_stride, q_out_stride, cs_stride;
  int n, positions;  // rows of cs
  int q_heads, k_heads, v_heads, d, rotated;
  RopeLayout layout;
  DType qw_dtype, kw_dtype;
  NormStyle style;
  float eps;
};

enum class RopePart : uint8_t { kQ, kK, kV };
template <class T>
__device__ __forceinline__ const T* SourceOf(const RopeParams& p, RopePart part, int64_t token) {
  if (part == RopePart::kQ) return static_cast<const T*>(p.q) + token * p.q_stride;
  if (part == RopePart::kK) return static_cast<const T*>(p.k) + token * p.k_stride;
  return static_cast<const T*>(p.v) + token * p.v_stride;
}

// Where a token's heads of a part go: q_out, or the keys or values of the cache.
struct RopeTarget {
  std::byte* data;
  DType dtype;
  const float* scales;
  int64_t token, head_stride;  // elements: where the token begins, and from head to head
};
template <class T>
__device__ __forceinline__ RopeTarget TargetOf(const RopeParams& p, RopePart part, int64_t token,
                                               int64_t slot) {
  if (part == RopePart::kQ) {
    return {static_cast<std::byte*>(p.q_out), kDTypeOf<T>, nullptr, token * p.q_out_stride, p.d};
  }
  const bool is_k = part == RopePart::kK;
  return {is_k ? p.kv.k : p.kv.v, p.kv.dtype, is_k ? p.kv.k_scale : p.kv.v_scale,
          SlotOffset(p.kv, slot), p.kv.head_stride};
}

// Heads first, first + step, ... below `heads` of a part.
struct RopeColumn {
  RopePart part;
  int first, step, heads;
};

// x / by for x and by of at most 1024.
struct SmallDivisor {
  static constexpr int kBits = 20;
  uint32_t by, factor;

  static SmallDivisor Of(int by) {
    const auto divisor = static_cast<uint32_t>(by);
    return {divisor, ((1u << kBits) + divisor - 1) / divisor};
  }
  RW_HD uint32_t Divide(uint32_t x) const { return (x * factor) >> kBits; }
};

// How a launch divides the work.
struct RopeGrid {
  int octets, turning;  // of a head; of its part that turns
  int lanes;
  int q_columns, k_columns, columns;  // columns: of q, k and v
  int block_columns, block_tokens;
  SmallDivisor by_token, by_lanes;  // threads of a token in a block; `lanes`

  RW_HD RopeColumn Column(const RopeParams& p, int column) const {
    if (column < q_columns) return {RopePart::kQ, column, q_columns, p.q_heads};
    column -= q_columns;
    if (column < k_columns) return {RopePart::kK, column, k_columns, p.k_heads};
    return {RopePart::kV, column - k_columns, columns - q_columns - k_columns, p.v_heads};
  }
};

// A thread's place in the grid.
struct RopePlace {
  int token, column, lane;
  bool live;
};
RW_HD inline RopePlace PlaceOf(const RopeParams& p, const RopeGrid& grid, unsigned block_x,
                               unsigned block_y, unsigned thread) {
  const uint32_t token = grid.by_token.Divide(thread);
  const uint32_t rest = thread - token * grid.by_token.by;
  const uint32_t column = grid.by_lanes.Divide(rest);
  RopePlace place;
  place.token = static_cast<int>(block_x * static_cast<unsigned>(grid.block_tokens) + token);
  place.column = static_cast<int>(block_y * static_cast<unsigned>(grid.block_columns) + column);
  place.lane = static_cast<int>(rest - column * grid.by_lanes.by);
  place.live = static_cast<int>(token) < grid.block_tokens && place.token < p.n &&
               place.column < grid.columns;
  return place;
}

// The octets of a head that a lane holds, -1 for none, and whether they turn. In the half layout
// they are partners, or two that stay as they are.
struct HeldOctets {
  int octet[2];
  bool turns[2];
};
RW_HD inline HeldOctets HeldBy(RopeLayout layout, const RopeGrid& grid, int lane) {
  if (layout == RopeLayout::kInterleaved) {
    const int second = lane + grid.lanes;
    return {{lane < grid.octets ? lane : -1, second < grid.octets ? second : -1},
            {lane < grid.turning, second < grid.turning}};
  }
  const int pairs = grid.turning / 2;
  if (lane < pairs) return {{lane, lane + pairs}, {true, true}};
  const int i = lane - pairs;
  const int half = (grid.octets - grid.turning + 1) / 2;
  const int second = grid.turning + half + i;
  return {{i < half ? grid.turning + i : -1, i < half && second < grid.octets ? second : -1},
          {false, false}};
}

// The inverse of HeldBy for the half layout: which lane holds an octet, and as its first or second.
struct OctetHolder {
  int lane, which;
};
RW_HD inline OctetHolder HolderOf(const RopeGrid& grid, int octet) {
  const int pairs = grid.turning / 2;
  if (octet < pairs) return {octet, 0};
  if (octet < grid.turning) return {octet - pairs, 1};
  const int half = (grid.octets - grid.turning + 1) / 2;
  const int i = octet - grid.turning;
  return i < half ? OctetHolder{pairs + i, 0} : OctetHolder{pairs + i - half, 1};
}

// Whether lane l holds octets l and l + lanes: then the sum of a norm folds without moving.
RW_HD inline bool HoldsInOrder(RopeLayout layout, const RopeGrid& grid) {
  return layout == RopeLayout::kInterleaved ||
         (grid.turning == grid.octets && grid.octets == 2 * grid.lanes);
}

}  // namespace rw::gpu
