// What the tensor core kernels of attention share: element types, scores and the choice of a
// kernel by head dim.
#pragma once

#include <limits>
#include <numbers>

#include "kernels/cuda/attention_mma.h"
#include "kernels/cuda/mma.cuh"

namespace rw::cuda {

using gpu::AttentionParams;

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kLog2E = static_cast<float>(std::numbers::log2e);

// From a raw product of a query and a key to its score in units of log2, whose weight is 2^score:
// the product times the factor, or Capped.
__device__ __forceinline__ float ScoreFactor(const AttentionParams& p, int kv_head) {
  return p.scale * gpu::CacheScale(p.k_scale, kv_head) * kLog2E;
}
// cap tanh(score / cap), tanh(x) as 1 - 2 / (e^2x + 1): within 2^-21 of the cap.
struct Softcap {
  float factor, cap;

  __device__ Softcap(float score_factor, float softcap)
      : factor(2 * score_factor / softcap), cap(softcap * kLog2E) {}
  __device__ float operator()(float product) const {
    return fmaf(-2 * cap, __fdividef(1.0f, Exp2(product * factor) + 1.0f), cap);
  }
};

// Calls fn with the width that kernels are built for and that holds heads of d.
template <class Fn>
void WithHeadWidth(int64_t d, const Fn& fn) {
  if (d <= 64) return fn(std::integral_constant<int, 64>{});
  if (d <= 96) return fn(std::integral_constant<int, 96>{});
  if (d <= 128) return fn(std::integral_constant<int, 128>{});
  if (d <= 192) return fn(std::integral_constant<int, 192>{});
  fn(std::integral_constant<int, 256>{});
}

}  // namespace rw::cuda
