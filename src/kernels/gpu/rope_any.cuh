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
__global__ void __launch_bounds__(kAnyRopeThreads)
    AnyRopeKernel(const __grid_constant__ RopeParams p) {
  WaitForPrevious();
  const int heads = p.parts[kQ].heads + p.parts[kK].heads + p.parts[kV].heads;
  const int64_t unit = (int64_t{blockIdx.x} * kAnyRopeThreads + threadIdx.x) / kFoldLanes;
  const int lane = static_cast<int>(threadIdx.x) % kFoldLanes;
  const auto token = static_cast<int>(unit / heads);
  if (token >= p.n) return;  // all threads of the head
  int head = static_cast<int>(unit - int64_t{token} * heads);
  int which = kQ;
  while (head >= p.parts[which].heads) head -= p.parts[which++].heads;
  const RopeHeads& part = p.parts[which];
  const int position = p.pos[token];
  const int slot = part.slot != nullptr ? part.slot[token] : token;
  if (position < 0 || position >= p.positions || slot < 0 || slot >= part.slots) return;

  const T* from = static_cast<const T*>(part.from) + token * part.from_stride + head * p.d;
  const bool norms = kNorms && part.turns;
  float factor = 0;
  if (norms) factor = NormFactor(SumSquaresOf(from, p.d, lane), p.d, p.eps);
  const auto load = [&](int i) {
    Pack<T, 1> x{from[i]};
    if (norms) {
      float w[1];
      LoadNumbers(part.w, part.w_dtype, i, w);
      x = Normed(p.style, x, factor, w);
    }
    return x;
  };
  const int64_t row = PlaceOf(part, slot) + head * part.head_stride;
  const float scale = ScaleOf(part.scales, head);
  const auto store = [&](int i, const Pack<T, 1>& x) {
    StoreCache(part.dtype, part.to, row + i, x, scale);
  };

  const int pairs = part.turns ? p.pairs : 0;
  const float* cs = p.cs + position * p.cs_stride;
  const bool half = p.layout == RopeLayout::kHalf;
  for (int i = lane; i < pairs; i += kFoldLanes) {
    const int a = half ? i : 2 * i;
    const int b = half ? i + pairs : 2 * i + 1;
    const Pair turned = Rotate({Widen(load(a).at[0]), Widen(load(b).at[0])}, cs[i], cs[pairs + i]);
    store(a, {Narrow<T>(turned.x)});
    store(b, {Narrow<T>(turned.y)});
  }
  for (int i = 2 * pairs + lane; i < p.d; i += kFoldLanes) store(i, load(i));
}

}  // namespace rw::gpu
