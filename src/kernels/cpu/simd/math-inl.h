// exp, tanh and erf of float vectors, and the activations made of them. The polynomials are minimax
// fits (Remez) made for these ranges; errors against the exact function are measured in
// math_test.cc. NaN stays NaN.
#if defined(RW_KERNELS_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_MATH_INL_H_
#undef RW_KERNELS_CPU_SIMD_MATH_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_MATH_INL_H_
#endif

#include <limits>

#include "kernels/cpu/simd/vec-inl.h"
#include "kernels/scalar_math.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

HWY_INLINE VF Set(float x) { return hn::Set(DF(), x); }

// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <size_t N>
HWY_INLINE VF Polynomial(VF x, const float (&c)[N]) {
  VF sum = Set(c[N - 1]);
  Unroll<N - 1>([&](auto i) RW_INLINED { sum = hn::MulAdd(sum, x, Set(c[N - 2 - i])); });
  return sum;
}

// x = n ln 2 + r with |r| <= ln 2 / 2, for |x| < 2^14 or so; em1 = e^r - 1.
struct ReducedExp {
  hn::Vec<DI> n;
  VF em1;
};
HWY_INLINE ReducedExp ReduceExp(VF x) {
  constexpr float kCoefficients[] = {0.49999993061318f, 0.16666514869356236f, 0.041668455380072064f,
                                     0.008369411725512407f, 0.0013813181624185036f};
  constexpr float kLn2High = 0.693145751953125f;  // 15 bits: n * kLn2High is exact
  constexpr float kLn2Low = 1.428606765330187e-06f;
  // In [2^23, 2^24) a float's last bit is 1, so this sum rounds to a whole number, which its bits
  // hold too; NearestInt would spend half a dozen instructions on numbers out of range.
  constexpr float kWhole = 0x1.8p23f;
  const VF shifted = hn::Add(hn::Mul(x, Set(1.44269504088896341f)), Set(kWhole));
  const auto n = hn::Sub(hn::BitCast(DI(), shifted), hn::BitCast(DI(), Set(kWhole)));
  const VF nf = hn::Sub(shifted, Set(kWhole));
  const VF high = hn::NegMulAdd(nf, Set(kLn2High), x);
  const VF r = hn::NegMulAdd(nf, Set(kLn2Low), high);
  const VF em1 = hn::MulAdd(hn::Mul(r, r), Polynomial(r, kCoefficients), r);
  return {n, em1};
}

// 2^n for n in [-126, 127].
HWY_INLINE VF PowerOf2(hn::Vec<DI> n) {
  return hn::BitCast(DF(), hn::ShiftLeft<23>(hn::Add(n, hn::Set(DI(), 127))));
}

// e^x; infinity past the largest float, gradual underflow to 0.
HWY_INLINE VF Exp(VF x) {
  const VF clamped = hn::Min(hn::Max(x, Set(-104.0f)), Set(89.0f));
  const ReducedExp reduced = ReduceExp(clamped);
  const auto half = hn::ShiftRight<1>(reduced.n);  // 2^n in two steps: n may lie outside a float's
  const VF scale = PowerOf2(half);
  const VF exp = hn::Mul(hn::MulAdd(reduced.em1, scale, scale), PowerOf2(hn::Sub(reduced.n, half)));
  return hn::IfThenElse(hn::IsNaN(x), x, exp);
}

// tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), without cancellation near 0.
HWY_INLINE VF Tanh(VF x) {
  const VF magnitude = hn::Abs(x);
  const VF doubled = hn::Min(hn::Add(magnitude, magnitude), Set(40.0f));
  const ReducedExp reduced = ReduceExp(doubled);
  const VF scale = PowerOf2(reduced.n);
  const VF em1 = hn::MulAdd(reduced.em1, scale, hn::Sub(scale, Set(1.0f)));
  const VF tanh = hn::Div(em1, hn::Add(em1, Set(2.0f)));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(tanh, x));
}

// Odd polynomial below 1; above it 1 - e^(a polynomial that follows ln erfc).
HWY_INLINE VF Erf(VF x) {
  constexpr float kNear[] = {1.1283791657267106f,    -0.3761262582423359f,  0.11283585148620415f,
                             -0.026853811935536584f, 0.005188327686145233f, -0.0008010193628449404f,
                             7.853861362683248e-05f};
  constexpr float kLnErfc[] = {-0.0003537200403895824f, -1.1270400337735f,
                               -0.6382256809881367f,    -0.10303736551289044f,
                               0.021805316781259625f,   -0.0029396069174973736f,
                               0.00018557397054531807f};
  const VF magnitude = hn::Abs(x);
  const VF near = hn::Mul(x, Polynomial(hn::Mul(x, x), kNear));
  const VF bounded = hn::Min(magnitude, Set(4.0f));  // from 3.92 on, erf rounds to 1
  const VF far = hn::Sub(Set(1.0f), Exp(Polynomial(bounded, kLnErfc)));
  const VF erf = hn::IfThenElse(hn::Lt(magnitude, Set(1.0f)), near, hn::CopySign(far, x));
  return hn::IfThenElse(hn::IsNaN(x), x, erf);
}

// Silu, Gelu and GeluTanh of scalar_math.h.
HWY_INLINE VF SiluVector(VF x) { return hn::Div(x, hn::Add(Set(1.0f), Exp(hn::Neg(x)))); }
HWY_INLINE VF GeluVector(VF x) {
  const VF erf = Erf(hn::Mul(x, Set(kSqrtHalf)));
  return hn::Mul(hn::Mul(x, Set(0.5f)), hn::Add(Set(1.0f), erf));
}
HWY_INLINE VF GeluTanhVector(VF x) {
  const VF cube = hn::Mul(hn::Mul(x, x), x);
  const VF inner = hn::Mul(Set(kGeluBeta), hn::Add(x, hn::Mul(Set(kGeluCubic), cube)));
  return hn::Mul(hn::Mul(Set(0.5f), x), hn::Add(Set(1.0f), Tanh(inner)));
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
