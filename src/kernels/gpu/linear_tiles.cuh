// Products of any types, sizes and strides: tiles of 64 tokens by 64 rows of W in shared memory, 16
// of k at a time, and 4 by 4 sums in each thread. A sum is that of the sums of 16 neighbours of k,
// in order: it depends on k alone.
#pragma once

#include "kernels/gpu/launch.cuh"
#include "kernels/gpu/linear_output.cuh"
#include "kernels/gpu/types.cuh"

namespace rw::gpu::tiles {

inline constexpr int kSide = 64;   // of a tile
inline constexpr int kDepth = 16;  // of k
inline constexpr int kThreads = 256;
inline constexpr int kPitch = kSide + 4;  // floats; 16 bytes more, against conflicts
inline constexpr int kPart = 4;           // sums of a thread along a side
inline constexpr int kSideThreads = kSide / kPart;

struct Params {
  const void* x;
  const void* w;
  int64_t x_stride, w_stride;
  int n, m, k;
  LinearOutput out;
};

#if defined(__CUDACC__) || defined(__HIPCC__)

// What a thread brings of a tile's side: kPart neighbours of k in one row.
struct Piece {
  float at[kPart];
};

// Rows and elements that are not there are zero.
template <class T>
__device__ __forceinline__ Piece LoadPiece(const void* from, int64_t stride, int row, int rows,
                                           int k, int depth) {
  Piece piece{};
  if (row >= rows) return piece;
  const T* at = static_cast<const T*>(from) + row * stride;
#pragma unroll
  for (int i = 0; i < kPart; ++i) {
    if (k + i < depth) piece.at[i] = Widen(at[k + i]);
  }
  return piece;
}

template <class X, class W>
__global__ void __launch_bounds__(kThreads) Kernel(Params p) {
  __shared__ __align__(16) float xs[kDepth][kPitch];
  __shared__ __align__(16) float ws[kDepth][kPitch];
  WaitForPrevious();
  const int first_row = blockIdx.x * kSide, first_token = blockIdx.y * kSide;
  const int side = threadIdx.x / kPart, depth = threadIdx.x % kPart * kPart;  // what it brings
  const int row = threadIdx.x % kSideThreads * kPart;                         // what it sums
  const int token = threadIdx.x / kSideThreads * kPart;
  const auto load_x = [&](int k) {
    return LoadPiece<X>(p.x, p.x_stride, first_token + side, p.n, k + depth, p.k);
  };
  const auto load_w = [&](int k) {
    return LoadPiece<W>(p.w, p.w_stride, first_row + side, p.m, k + depth, p.k);
  };
  Piece x = load_x(0), w = load_w(0);
  float sums[kPart][kPart]{};
  for (int k = 0; k < p.k; k += kDepth) {
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kPart; ++i) {
      xs[depth + i][side] = x.at[i];
      ws[depth + i][side] = w.at[i];
    }
    __syncthreads();
    x = load_x(k + kDepth);
    w = load_w(k + kDepth);
    float some[kPart][kPart]{};
#pragma unroll
    for (int i = 0; i < kDepth; ++i) {
      const auto a = LoadPack<float, kPart>(&xs[i][token]);
      const auto b = LoadPack<float, kPart>(&ws[i][row]);
#pragma unroll
      for (int t = 0; t < kPart; ++t) {
#pragma unroll
        for (int r = 0; r < kPart; ++r) some[t][r] = fmaf(a.at[t], b.at[r], some[t][r]);
      }
    }
#pragma unroll
    for (int t = 0; t < kPart; ++t) {
#pragma unroll
      for (int r = 0; r < kPart; ++r) sums[t][r] += some[t][r];
    }
  }
#pragma unroll
  for (int t = 0; t < kPart; ++t) {
#pragma unroll
    for (int r = 0; r < kPart; ++r) {
      const int to_token = first_token + token + t, to_row = first_row + row + r;
      if (to_token < p.n && to_row < p.m) StoreSum(p.out, to_token, to_row, sums[t][r]);
    }
  }
}

#endif

}  // namespace rw::gpu::tiles
