// Products for few tokens without matrix instructions: of any float types, rows of W readable 16
// bytes at a time. A warp takes the dot products of some rows of W with some tokens. A lane has
// every 32nd pack of k, and the lanes' sums are folded in halves: an order that depends on k and
// the types.
#pragma once

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/linear_output.cuh"
#include "kernels/gpu/types.cuh"

namespace rw::gpu::dots {

inline constexpr int kWarps = 4;
inline constexpr int kThreads = kWarps * kWarp;

struct Params {
  const void* x;
  const void* w;
  int64_t x_stride, w_stride;
  bool x_packs;  // rows of x can be read as many elements at a time as those of W
  int n, m, k;
  LinearOutput out;
};

#if defined(__CUDACC__) || defined(__HIPCC__)

template <class T, int kCount>
__device__ __forceinline__ Pack<T, kCount> LoadAny(const T* from, bool packs) {
  if (packs) return LoadPack<T, kCount>(from);
  Pack<T, kCount> pack;
#pragma unroll
  for (int i = 0; i < kCount; ++i) pack.at[i] = from[i];
  return pack;
}

template <class X, class W, int kTokens, int kRows>
__global__ void __launch_bounds__(kThreads, kTokens == 1 ? 6 : 4) Kernel(Params p) {
  constexpr int kCount = kPack<W>;
  const int lane = threadIdx.x % kWarp;
  const int first = (blockIdx.x * kWarps + threadIdx.x / kWarp) * kRows;
  const int first_token = blockIdx.y * kTokens;
  // Rows and tokens that are not there are the last ones, and their sums are dropped.
  const W* w[kRows];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    w[r] = static_cast<const W*>(p.w) + min(first + r, p.m - 1) * p.w_stride;
  }
  const X* x[kTokens];
#pragma unroll
  for (int t = 0; t < kTokens; ++t) {
    x[t] = static_cast<const X*>(p.x) + min(first_token + t, p.n - 1) * p.x_stride;
  }
  // Weights come one turn ahead, the first before the wait.
  Pack<W, kCount> next[kRows]{};
  const auto load = [&](int k) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      if (k < p.k) next[r] = LoadPack<W, kCount>(w[r] + k);
    }
  };
  load(lane * kCount);
  WaitForPrevious();
  float sums[kRows][kTokens]{};
  for (int k = lane * kCount; k < p.k; k += kWarp * kCount) {
    float a[kRows][kCount];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) a[r][i] = Widen(next[r].at[i]);
    }
    load(k + kWarp * kCount);
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      const auto b = LoadAny<X, kCount>(x[t] + k, p.x_packs);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) sums[r][t] = fmaf(a[r][i], Widen(b.at[i]), sums[r][t]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int t = 0; t < kTokens; ++t) {
      for (int mask = kWarp / 2; mask > 0; mask /= 2) {
        sums[r][t] += ShuffleXor(sums[r][t], mask);
      }
      if (lane == 0 && first + r < p.m && first_token + t < p.n) {
        StoreSum(p.out, first_token + t, first + r, sums[r][t]);
      }
    }
  }
}

#endif

}  // namespace rw::gpu::dots
