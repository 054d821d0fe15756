// The arithmetic of the ops on single numbers: where every product, sum and rounding stands. The
// reference and the GPU kernels are built from it, vector code repeats it lane by lane, and a fused
// kernel that uses it equals the kernels it replaces bit for bit. No fma here: contraction is off.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/dtype.h"
#include "kernels/args.h"

#if defined(__CUDACC__) || defined(__HIPCC__)
#define RW_HD __host__ __device__
#else
#define RW_HD
#endif

namespace rw {

// One pair turned by an angle with cosine c and sine s.
struct Pair {
  float x, y;
};
RW_HD inline Pair Rotate(Pair p, float c, float s) {
  return {p.x * c - p.y * s, p.y * c + p.x * s};
}

// Sum of squares in the order that every rms_norm kernel keeps: element i goes to partial sum
// i % 16 in turn, then the 16 are folded in halves (l with l + 8, l + 4, l + 2, l + 1). It depends
// on n alone, and vectors of 4, 8 or 16 lanes can all follow it.
inline constexpr int kNormLanes = 16;
inline float FoldNormLanes(std::array<float, kNormLanes> sums) {
  for (int width = kNormLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
  }
  return sums[0];
}
inline float SumSquares(const float* x, int64_t n) {
  std::array<float, kNormLanes> sums{};
  for (int64_t i = 0; i < n; ++i) sums[i % kNormLanes] += x[i] * x[i];
  return FoldNormLanes(sums);
}

// What each element of a row of n is multiplied by.
RW_HD inline float NormFactor(float sum_squares, int64_t n, float eps) {
  return 1.0f / std::sqrt(sum_squares / static_cast<float>(n) + eps);
}

// The normalised element before its last rounding to T: Llama rounds before the weight product,
// Gemma after it and adds 1 to the weight, OLMo only at the end.
// `through` is a number as it would be after being stored as T.
template <class Through>
RW_HD inline float NormElement(NormStyle style, float x, float factor, float w,
                               const Through& through) {
  const float normed = x * factor;
  switch (style) {
    case NormStyle::kLlama:
      return w * through(normed);
    case NormStyle::kGemma:
      return normed * (1.0f + w);
    case NormStyle::kOlmo:
      return w * normed;
  }
  return normed;
}

RW_HD inline float Silu(float x) { return x / (1.0f + std::exp(-x)); }
inline constexpr float kSqrtHalf = static_cast<float>(std::numbers::sqrt2 / 2);
RW_HD inline float Gelu(float x) { return x * 0.5f * (1.0f + std::erf(x * kSqrtHalf)); }
inline constexpr float kGeluCubic = 0.044715f;
inline constexpr float kGeluBeta =  // sqrt(2 / pi)
    static_cast<float>(std::numbers::sqrt2 * std::numbers::inv_sqrtpi);
RW_HD inline float GeluTanh(float x) {
  const float inner = kGeluBeta * (x + kGeluCubic * (x * x * x));
  return 0.5f * x * (1.0f + std::tanh(inner));
}
RW_HD inline float Activate(GateAct act, float x) {
  if (act == GateAct::kSilu) return Silu(x);
  return act == GateAct::kGelu ? Gelu(x) : GeluTanh(x);
}
RW_HD inline float Softcap(float x, float cap) { return cap * std::tanh(x / cap); }

}  // namespace rw
