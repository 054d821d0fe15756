// rms_norm of one row in vectors: the same sums and roundings as scalar_math.h, so that any kernel
// built on it equals the reference bit for bit. Included once per target.
#if defined(RW_KERNELS_CPU_SIMD_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_NORM_INL_H_
#undef RW_KERNELS_CPU_SIMD_NORM_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_NORM_INL_H_
#endif

#include "kernels/cpu/simd/vec-inl.h"
#include "kernels/scalar_math.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// SumSquares of scalar_math.h: its sixteen partial sums lie across 16 / kLanes vectors.
template <class T>
HWY_INLINE float SumSquares(const T* x, int64_t n) {
  constexpr int kVectors = kNormLanes / kLanes;
  const DF df;
  VF sums[kVectors];
  Unroll<kVectors>([&](auto v) RW_INLINED { sums[v] = hn::Zero(df); });
  const auto accumulate = [&](const T* block) RW_INLINED {
    Unroll<kVectors>([&](auto v) RW_INLINED {
      const VF value = Load(block + v * kLanes);
      sums[v] = hn::Add(sums[v], hn::Mul(value, value));
    });
  };
  int64_t i = 0;
  for (; i + kNormLanes <= n; i += kNormLanes) accumulate(x + i);
  if (i < n) {  // zeros add +0 to sums that are never negative: nothing
    T padded[kNormLanes] = {};
    std::memcpy(padded, x + i, (n - i) * sizeof(T));
    accumulate(padded);
  }
  std::array<float, kNormLanes> lanes;
  Unroll<kVectors>([&](auto v) RW_INLINED { hn::StoreU(sums[v], df, lanes.data() + v * kLanes); });
  return FoldNormLanes(lanes);
}

// NormElement of scalar_math.h.
template <class T, NormStyle kStyle>
HWY_INLINE VF NormVector(VF x, VF factor, VF w) {
  const VF normed = hn::Mul(x, factor);
  if constexpr (kStyle == NormStyle::kLlama) return hn::Mul(w, Round<T>(normed));
  if constexpr (kStyle == NormStyle::kGemma) {
    return hn::Mul(normed, hn::Add(hn::Set(DF(), 1.0f), w));
  }
  return hn::Mul(w, normed);
}

// y = rms_norm(x) of n elements; y may be x.
template <class T, class W>
void NormRow(NormStyle style, const T* x, const W* w, float eps, int64_t n, T* y) {
  const VF factor = hn::Set(DF(), NormFactor(SumSquares(x, n), n, eps));
  const auto map = [&]<NormStyle kStyle>() RW_INLINED {
    const auto norm = [&](VF xv, VF wv)
                          RW_INLINED { return NormVector<T, kStyle>(xv, factor, wv); };
    Map(n, y, norm, x, w);
  };
  switch (style) {
    case NormStyle::kLlama:
      return map.template operator()<NormStyle::kLlama>();
    case NormStyle::kGemma:
      return map.template operator()<NormStyle::kGemma>();
    case NormStyle::kOlmo:
      return map.template operator()<NormStyle::kOlmo>();
  }
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
