// Sums over the threads of a block in their order, and where such a sum reaches a number.
#pragma once

#include <cstdint>

#include "kernels/gpu/portable.h"

namespace rw::gpu {

// What a run of tokens weighs. `ties` counts those that stand at the edge of what is kept (Cut).
struct Mass {
  uint64_t above;
  uint32_t ties;
};
__device__ __forceinline__ Mass operator+(Mass a, Mass b) {
  return {a.above + b.above, a.ties + b.ties};
}
__device__ __forceinline__ Mass operator-(Mass a, Mass b) {
  return {a.above - b.above, a.ties - b.ties};
}

struct Sums {
  Mass before;  // of the threads before this one
  Mass total;   // of all
};
// All kThreads threads take part.
template <int kThreads>
__device__ __forceinline__ Sums SumUp(Mass mine) {
  constexpr int kWarps = kThreads / kWarp;
  __shared__ Mass of_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  Mass sum = mine;
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const int from = (lane + kWarp - step) % kWarp;
    const Mass other{ShuffleFrom(sum.above, from), ShuffleFrom(sum.ties, from)};
    if (lane >= step) sum = sum + other;
  }
  if (lane == kWarp - 1) of_warp[warp] = sum;
  __syncthreads();
  Sums sums{sum - mine, {}};
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) sums.before = sums.before + of_warp[w];
    sums.total = sums.total + of_warp[w];
  }
  __syncthreads();  // the next sum may write of_warp
  return sums;
}

// An item among those of all threads, and the mass before it.
struct Place {
  int item;
  Mass before;
};
// The first item with which kept(mass) reaches `wanted`, which some item does: kItems of each
// thread, in the order of the threads; `before` is the mass before the thread's first.
template <int kItems, class Kept>
__device__ __forceinline__ Place FindPlace(const Mass (&items)[kItems], Mass before,
                                           uint64_t wanted, const Kept& kept) {
  __shared__ Place place;
  Mass next = before;
#pragma unroll
  for (int i = 0; i < kItems; ++i) {
    const Mass mass = next;
    next = mass + items[i];
    if (kept(mass) < wanted && kept(next) >= wanted) {
      place = {static_cast<int>(threadIdx.x) * kItems + i, mass};
    }
  }
  __syncthreads();
  const Place found = place;
  __syncthreads();  // the next search may write it
  return found;
}

}  // namespace rw::gpu
