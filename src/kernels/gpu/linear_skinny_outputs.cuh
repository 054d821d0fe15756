// What becomes of the sums of linear_skinny.cuh: its outputs.
#pragma once

#include <span>

#include "kernels/args.h"
#include "kernels/gpu/linear_skinny.cuh"
#include "kernels/gpu/rope.cuh"

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
  RopeParams p;                 // its q, k and v are what is multiplied here
  int turning, resting, plain;  // tiles of a head: of its pairs, of what stays; of a head of v

  explicit RopeOutput(const RopeArgs& args)
      : p(ParamsOf(args)),
        turning(static_cast<int>(CeilDiv(p.rotated / 2, kHalf))),
        resting(static_cast<int>(CeilDiv(p.d - p.rotated, skinny::kRows))),
        plain(static_cast<int>(CeilDiv(p.d, skinny::kRows))) {}

  static RopeParams ParamsOf(const RopeArgs& args) {
    RopeParams params{};
    params.q_out = args.q_out.data;
    params.kv = *args.kv;
    params.pos = args.pos.row<const int32_t>(0);
    params.slot = args.slot->row<const int32_t>(0);
    params.cs = args.cs.row<const float>(0);
    params.q_out_stride = args.q_out.row_stride;
    params.cs_stride = args.cs.row_stride;
    params.positions = static_cast<int>(args.cs.rows());
    params.q_heads = static_cast<int>(args.q_out.dims[1]);
    params.k_heads = params.v_heads = static_cast<int>(args.kv->heads);
    params.d = static_cast<int>(args.d);
    params.rotated = static_cast<int>(args.rotated);
    params.layout = args.layout;
    return params;
  }
  int Tiles() const { return (p.q_heads + p.k_heads) * (turning + resting) + p.v_heads * plain; }

  struct Held {
    int slot;
    float cos, sin;
    bool stores, turns;
  };
#if defined(__CUDACC__)
  __device__ __forceinline__ Tile TileAt(int tile) const {
    const int each = turning + resting;
    int part = 0, head = tile / each, i = tile - head * each;
    if (head >= p.q_heads) part = 1, head -= p.q_heads;
    if (part == 1 && head >= p.k_heads) {
      part = 2;
      tile -= (p.q_heads + p.k_heads) * each;
      head = tile / plain;
      i = tile - head * plain;
    }
    const int begin = head * p.d;
    if (part < 2 && i < turning) {
      const int pair = i * kHalf, pairs = p.rotated / 2;
      if (p.layout == RopeLayout::kHalf) {
        return {HalfOf(part, begin + pair, 1, pairs - pair),
                HalfOf(part, begin + pairs + pair, 1, pairs - pair)};
      }
      return {HalfOf(part, begin + 2 * pair, 2, pairs - pair),
              HalfOf(part, begin + 2 * pair + 1, 2, pairs - pair)};
    }
    const int first = part < 2 ? p.rotated + (i - turning) * skinny::kRows : i * skinny::kRows;
    return {HalfOf(part, begin + first, 1, p.d - first),
            HalfOf(part, begin + first + kHalf, 1, p.d - first - kHalf)};
  }
  template <class T>
  __device__ __forceinline__ Held Hold(const Place& at) const {
    const int position = __ldcg(p.pos + at.token);
    Held held{.slot = __ldcg(p.slot + at.token)};
    const int element = at.row % p.d, pairs = p.rotated / 2;
    held.stores =
        position >= 0 && position < p.positions && (at.part == 0 || HasSlot(p.kv, held.slot));
    held.turns = held.stores && at.part < 2 && element < p.rotated;
    if (held.turns) {
      const int pair = p.layout == RopeLayout::kInterleaved ? element / 2
                       : at.half == 0                       ? element
                                                            : element - pairs;
      const float* cs = p.cs + position * p.cs_stride + pair;
      held.cos = cs[0];
      held.sin = cs[pairs];
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
    const int head = at.row / p.d;
    const RopeTarget to = TargetOf<T>(p, static_cast<RopePart>(at.part), at.token, held.slot);
    StoreCache(to.dtype, to.data, to.token + head * to.head_stride + at.row % p.d,
               Pack<T, 1>{Narrow<T>(value)}, ScaleOf(to.scales, head));
  }
#endif
};

}  // namespace rw::gpu::skinny

#endif
