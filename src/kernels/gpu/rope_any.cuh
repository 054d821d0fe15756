// The rope kernel for heads of any size and alignment.
#pragma once

#include "kernels/gpu/kv.cuh"
#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/norm.cuh"
#include "kernels/gpu/rope.cuh"

namespace rw::gpu {

inline constexpr int kAnyRopeThreads = 128;  // of a block

// kFoldLanes threads for each head.
template <class T, bool kNorms>
__global__ void __launch_bounds__(kAnyRopeThreads) AnyRopeKernel(RopeParams p) {
  WaitForPrevious();
  const int heads = p.q_heads + p.k_heads + p.v_heads;
  const int64_t unit = (int64_t{blockIdx.x} * kAnyRopeThreads + threadIdx.x) / kFoldLanes;
  const int lane = static_cast<int>(threadIdx.x) % kFoldLanes;
  const auto token = static_cast<int>(unit / heads);
  if (token >= p.n) return;  // all threads of the head
  int head = static_cast<int>(unit - int64_t{token} * heads);
  RopePart part = RopePart::kQ;
  if (head >= p.q_heads) {
    head -= p.q_heads;
    part = head < p.k_heads ? RopePart::kK : RopePart::kV;
    if (part == RopePart::kV) head -= p.k_heads;
  }
  const int position = p.pos[token];
  const int slot = p.slot != nullptr ? p.slot[token] : token;
  if (position < 0 || position >= p.positions) return;
  if (part != RopePart::kQ && !HasSlot(p.kv, slot)) return;

  const T* from = SourceOf<T>(p, part, token) + head * p.d;
  const bool is_q = part == RopePart::kQ;
  const bool norms = kNorms && part != RopePart::kV;
  float factor = 0;
  if (norms) factor = NormFactor(SumSquaresOf(from, p.d, lane), p.d, p.eps);
  const auto load = [&](int i) {
    Pack<T, 1> x{from[i]};
    if (norms) {
      float w[1];
      LoadNumbers(is_q ? p.qw : p.kw, is_q ? p.qw_dtype : p.kw_dtype, i, w);
      x = Normed(p.style, x, factor, w);
    }
    return x;
  };
  const RopeTarget to = TargetOf<T>(p, part, token, slot);
  const int64_t row = to.token + head * to.head_stride;
  const float scale = ScaleOf(to.scales, head);
  const auto store = [&](int i, const Pack<T, 1>& x) {
    StoreCache(to.dtype, to.data, row + i, x, scale);
  };

  const int turning = part == RopePart::kV ? 0 : p.rotated;
  const float* cs = p.cs + position * p.cs_stride;
  const bool half = p.layout == RopeLayout::kHalf;
  for (int i = lane; i < turning / 2; i += kFoldLanes) {
    const int a = half ? i : 2 * i;
    const int b = half ? i + turning / 2 : 2 * i + 1;
    const Pair turned =
        Rotate({Widen(load(a).at[0]), Widen(load(b).at[0])}, cs[i], cs[turning / 2 + i]);
    store(a, {Narrow<T>(turned.x)});
    store(b, {Narrow<T>(turned.y)});
  }
  for (int i = turning + lane; i < p.d; i += kFoldLanes) store(i, load(i));
}

}  // namespace rw::gpu
