// What becomes of the sums of linear_skinny.cuh: its outputs.
#pragma once

#include <span>

#include "kernels/args.h"
#include "kernels/gpu/kv.cuh"
#include "kernels/gpu/linear_skinny.cuh"

#if !defined(__HIP_PLATFORM_AMD__)

namespace rw::gpu::skinny {

// Each product to a tensor of its own, of any float type, or added to another of x's type.
struct RowsOutput {
  struct Part {
    void* y;
    int64_t stride;
    int m, first_tile;
  };
  Part parts[kMaxParts];
  int count, tiles;
  DType type;
  const void* add;  // null: nothing is added
  int64_t add_stride;

  int Tiles() const { return tiles; }

  using Held = float;  // what is added
#if defined(__CUDACC__)
  __device__ __forceinline__ Tile TileAt(int tile) const {
    int i = 0;
    while (i + 1 < count && tile >= parts[i + 1].first_tile) ++i;
    const int first = (tile - parts[i].first_tile) * skinny::kRows;
    const int left = parts[i].m - first;
    return {HalfOf(i, first, 1, left), HalfOf(i, first + kHalf, 1, left - kHalf)};
  }
  template <class T>
  __device__ __forceinline__ Held Hold(const Place& at) const {
    if (add == nullptr) return 0;
    const T* from = static_cast<const T*>(add) + at.token * add_stride + at.row;
    return Widen(T{__ldcg(reinterpret_cast<const unsigned short*>(from))});
  }
  template <class T>
  __device__ __forceinline__ void Store(const Place& at, Held held, float sum, float) const {
    if (add != nullptr) sum = held + Through<T>(sum);
    const Part& part = parts[at.part];
    StoreFloat(part.y, type, at.token * part.stride + at.row, sum);
  }
#endif
};

inline RowsOutput RowsOutputOf(std::span<const LinearArgs> products) {
  RowsOutput out{.count = static_cast<int>(products.size()), .type = products.front().y.dtype};
  for (size_t i = 0; i < products.size(); ++i) {
    const LinearArgs& args = products[i];
    out.parts[i] = {args.y.data, args.y.row_stride, static_cast<int>(args.m), out.tiles};
    out.tiles += static_cast<int>(CeilDiv(args.m, skinny::kRows));
  }
  return out;
}

// act(gate) * up of two products, gate first.
struct ActMulOutput {
  void* y;
  int64_t stride;
  int m;
  GateAct act;

  int Tiles() const { return static_cast<int>(CeilDiv(m, kHalf)); }

  struct Held {};
#if defined(__CUDACC__)
  __device__ __forceinline__ Tile TileAt(int tile) const {
    const int first = tile * kHalf;
    return {HalfOf(0, first, 1, m - first), HalfOf(1, first, 1, m - first)};
  }
  template <class T>
  __device__ __forceinline__ Held Hold(const Place&) const {
    return {};
  }
  template <class T>
  __device__ __forceinline__ void Store(const Place& at, Held, float gate, float up) const {
    if (at.half != 0) return;
    const float activated = Through<T>(Activate(act, Through<T>(gate)));
    static_cast<T*>(y)[at.token * stride + at.row] = Narrow<T>(activated * Through<T>(up));
  }
#endif
};

// q, k and v of three products: q and k turn, q to its tensor, k and v to the cache.
struct RopeOutput {
  void* q;
  int64_t q_stride;
  KvLayerView kv;
  const int32_t* pos;
  const int32_t* slot;
  const float* cs;
  int64_t cs_stride;
  int positions;  // rows of cs
  int q_heads, kv_heads;
  int d, pairs;  // of a head: elements, pairs that turn
  RopeLayout layout;
  int turning, resting, plain;  // tiles of a head: of its pairs, of what stays; of a head of v

  explicit RopeOutput(const RopeArgs& args)
      : q(args.q_out.data),
        q_stride(args.q_out.row_stride),
        kv(*args.kv),
        pos(args.pos.row<const int32_t>(0)),
        slot(args.slot->row<const int32_t>(0)),
        cs(args.cs.row<const float>(0)),
        cs_stride(args.cs.row_stride),
        positions(static_cast<int>(args.cs.rows())),
        q_heads(static_cast<int>(args.q_out.dims[1])),
        kv_heads(static_cast<int>(args.kv->heads)),
        d(static_cast<int>(args.d)),
        pairs(static_cast<int>(args.rotated / 2)),
        layout(args.layout),
        turning(static_cast<int>(CeilDiv(pairs, kHalf))),
        resting(static_cast<int>(CeilDiv(d - 2 * pairs, skinny::kRows))),
        plain(static_cast<int>(CeilDiv(d, skinny::kRows))) {}

  int Tiles() const { return (q_heads + kv_heads) * (turning + resting) + kv_heads * plain; }

  struct Held {
    int slot;
    float cos, sin;
    bool stores, turns;
  };
#if defined(__CUDACC__)
  // Heads of q, of k, then of v.
  __device__ __forceinline__ Tile TileAt(int tile) const {
    const int each = turning + resting, turned = (q_heads + kv_heads) * each;
    if (tile >= turned) {
      const int head = (tile - turned) / plain;
      return Resting(2, head, (tile - turned - head * plain) * skinny::kRows);
    }
    int head = tile / each;
    const int i = tile - head * each;
    const int part = head < q_heads ? 0 : 1;
    if (part == 1) head -= q_heads;
    if (i >= turning) return Resting(part, head, 2 * pairs + (i - turning) * skinny::kRows);
    const int pair = i * kHalf, begin = head * d;
    if (layout == RopeLayout::kHalf) {
      return {HalfOf(part, begin + pair, 1, pairs - pair),
              HalfOf(part, begin + pairs + pair, 1, pairs - pair)};
    }
    return {HalfOf(part, begin + 2 * pair, 2, pairs - pair),
            HalfOf(part, begin + 2 * pair + 1, 2, pairs - pair)};
  }
  template <class T>
  __device__ __forceinline__ Held Hold(const Place& at) const {
    const int position = __ldcg(pos + at.token);
    Held held{.slot = __ldcg(slot + at.token)};
    const int element = at.row % d;
    held.stores = position >= 0 && position < positions && (at.part == 0 || HasSlot(kv, held.slot));
    held.turns = held.stores && at.part < 2 && element < 2 * pairs;
    if (held.turns) {
      const int pair = layout == RopeLayout::kInterleaved ? element / 2
                       : at.half == 0                     ? element
                                                          : element - pairs;
      const float* angle = cs + position * cs_stride + pair;
      held.cos = angle[0];
      held.sin = angle[pairs];
    }
    return held;
  }
  template <class T>
  __device__ __forceinline__ void Store(const Place& at, const Held& held, float sum,
                                        float partner) const {
    if (!held.stores) return;
    float value = Through<T>(sum);
    if (held.turns) {
      const float other = Through<T>(partner);
      value = at.half == 0 ? Rotate({value, other}, held.cos, held.sin).x
                           : Rotate({other, value}, held.cos, held.sin).y;
    }
    const T rounded = Narrow<T>(value);
    if (at.part == 0) {
      static_cast<T*>(q)[at.token * q_stride + at.row] = rounded;
      return;
    }
    const int head = at.row / d;
    const bool is_k = at.part == 1;
    StoreCache(kv.dtype, is_k ? kv.k : kv.v,
               SlotOffset(kv, held.slot) + head * kv.head_stride + at.row - head * d,
               Pack<T, 1>{rounded}, ScaleOf(is_k ? kv.k_scale : kv.v_scale, head));
  }

 private:
  // Two halves of rows that stay as they are, from `first` of a head on.
  __device__ __forceinline__ Tile Resting(int part, int head, int first) const {
    return {HalfOf(part, head * d + first, 1, d - first),
            HalfOf(part, head * d + first + kHalf, 1, d - first - kHalf)};
  }
#endif
};

}  // namespace rw::gpu::skinny

#endif
