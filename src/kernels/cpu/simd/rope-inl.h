// rope of one head in vectors: the products and sums of Rotate in scalar_math.h, so that any kernel
// built on it equals the reference bit for bit. Included once per target.
#if defined(RW_KERNELS_CPU_SIMD_ROPE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_ROPE_INL_H_
#undef RW_KERNELS_CPU_SIMD_ROPE_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_ROPE_INL_H_
#endif

#include "kernels/cpu/simd/vec-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Pairs (i, i + half) of a head; cos and sin hold `half` numbers each. out may be in.
template <class T>
HWY_INLINE void RotateHalves(const T* in, const float* cos, const float* sin, int64_t half,
                             T* out) {
  const auto turn = [](VF x, VF y, VF c, VF s, VF& x_out, VF& y_out) RW_INLINED {
    x_out = hn::Sub(hn::Mul(x, c), hn::Mul(y, s));
    y_out = hn::Add(hn::Mul(y, c), hn::Mul(x, s));
  };
  VF x, y;
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    turn(Load(in + i), Load(in + half + i), Load(cos + i), Load(sin + i), x, y);
    Store(x, out + i);
    Store(y, out + half + i);
  }
  if (const int64_t n = half - i; n > 0) {
    turn(LoadN(in + i, n), LoadN(in + half + i, n), LoadN(cos + i, n), LoadN(sin + i, n), x, y);
    StoreN(x, out + i, n);
    StoreN(y, out + half + i, n);
  }
}

// Pairs (2i, 2i + 1). Every cosine and sine stands twice, the first of two sines negated:
// x c + y (-s) is x c - y s to the last bit.
template <class T>
HWY_INLINE void RotatePairs(const T* in, const float* cos2, const float* sin2, int64_t rotated,
                            T* out) {
  Map(
      rotated, out,
      [](VF xy, VF c, VF s)
          RW_INLINED { return hn::Add(hn::Mul(xy, c), hn::Mul(hn::Shuffle2301(xy), s)); },
      in, cos2, sin2);
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
