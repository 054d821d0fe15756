// The sum of squares and the rounding that every GPU kernel with an rms_norm shares, so that they
// agree bit for bit.
//
// A sum's order depends on h alone. Element i belongs to octet i / 8, whose squares are added up in
// two halves of four in turn. Octet p belongs to lane p % NormLanes(h), which adds its octets in
// turn. Lanes are folded in halves (l with l + 16, 8, 4, 2, 1) within each 32 of them, then the
// sums of those are folded in halves. Who computes what is each kernel's own.
#pragma once

#include <type_traits>

#include "kernels/gpu/octet.cuh"
#include "kernels/scalar_math.h"

namespace rw::gpu {

inline constexpr int kFoldLanes = 32;
inline constexpr int kMaxNormLanes = 256;

// Lanes of a row of h: one for each octet, as a power of two.
RW_HD inline constexpr int NormLanes(int64_t h) {
  int lanes = 1;
  while (lanes < kMaxNormLanes && int64_t{lanes} * kOctet < h) lanes *= 2;
  return lanes;
}

__device__ __forceinline__ float SquaresOf(const float (&x)[kOctet]) {
  float sums[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sums[half] = x[4 * half] * x[4 * half];
#pragma unroll
    for (int j = 1; j < 4; ++j) sums[half] = fmaf(x[4 * half + j], x[4 * half + j], sums[half]);
  }
  return sums[0] + sums[1];
}
template <class T>
__device__ __forceinline__ float SquaresOf(const PackedOctet<T>& x) {
  float values[kOctet];
  WidenAll(x, values);
  return SquaresOf(values);
}
template <class T>
__device__ __forceinline__ float SquaresOf(const Octet<T>& x) {
  return SquaresOf(Repack(x));
}

// Folds the sums of `lanes` neighbours in a warp, at most kFoldLanes; each of them gets the result.
__device__ __forceinline__ float FoldLanes(float sum, int lanes) {
#pragma unroll
  for (int mask = kFoldLanes / 2; mask > 0; mask /= 2) {
    if (mask < lanes) sum += ShuffleXor(sum, mask);
  }
  return sum;
}

// The sum of squares of a row of any h and alignment by kFoldLanes threads; `lane` is the thread's
// number among them.
template <class T>
__device__ float SumSquaresOf(const T* row, int64_t h, int lane) {
  constexpr int kMaxFolds = kMaxNormLanes / kFoldLanes;
  const int lanes = NormLanes(h);
  const int folds = lanes > kFoldLanes ? lanes / kFoldLanes : 1;
  float sums[kMaxFolds];
#pragma unroll
  for (int fold = 0; fold < kMaxFolds; ++fold) {
    sums[fold] = 0;
    if (fold >= folds) continue;
    const int first = fold * kFoldLanes + lane;
    for (int64_t at = int64_t{first} * kOctet; first < lanes && at < h; at += lanes * kOctet) {
      sums[fold] += SquaresOf(LoadOctet<1>(row, at, h));
    }
    sums[fold] = FoldLanes(sums[fold], kFoldLanes);
  }
#pragma unroll
  for (int width = kMaxFolds / 2; width > 0; width /= 2) {
#pragma unroll
    for (int fold = 0; fold < width; ++fold) {
      if (width < folds) sums[fold] += sums[fold + width];
    }
  }
  return sums[0];
}

template <class T>
struct ThroughFn {
  __device__ __forceinline__ float operator()(float x) const { return Through<T>(x); }
};

// Calls fn with the style as a type: one branch for all elements.
template <class Fn>
__device__ __forceinline__ void WithNormStyle(NormStyle style, const Fn& fn) {
  if (style == NormStyle::kLlama) {
    fn(std::integral_constant<NormStyle, NormStyle::kLlama>());
  } else if (style == NormStyle::kGemma) {
    fn(std::integral_constant<NormStyle, NormStyle::kGemma>());
  } else {
    fn(std::integral_constant<NormStyle, NormStyle::kOlmo>());
  }
}

// Elements of a normalised row, before their last rounding.
template <class T, NormStyle kStyle, int kCount>
__device__ __forceinline__ void NormAll(std::integral_constant<NormStyle, kStyle>,
                                        float (&x)[kCount], float factor,
                                        const float (&w)[kCount]) {
#pragma unroll
  for (int j = 0; j < kCount; ++j) x[j] = NormElement(kStyle, x[j], factor, w[j], ThroughFn<T>());
}
template <class T, int kCount>
__device__ __forceinline__ Pack<T, kCount> Normed(NormStyle style, const Pack<T, kCount>& x,
                                                  float factor, const float (&w)[kCount]) {
  float values[kCount];
#pragma unroll
  for (int j = 0; j < kCount; ++j) values[j] = Widen(x.at[j]);
  WithNormStyle(style, [&](auto constant) { NormAll<T>(constant, values, factor, w); });
  Pack<T, kCount> y;
#pragma unroll
  for (int j = 0; j < kCount; ++j) y.at[j] = Narrow<T>(values[j]);
  return y;
}

}  // namespace rw::gpu
