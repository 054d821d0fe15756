// Vectors of floats: loading any float type, rounding back, tails. Included once per target.
#if defined(RW_KERNELS_CPU_SIMD_VEC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_VEC_INL_H_
#undef RW_KERNELS_CPU_SIMD_VEC_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_VEC_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "base/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using DU = hn::RebindToUnsigned<DF>;
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
using VU = hn::Vec<DU>;
using MF = hn::Mask<DF>;
inline constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

// fn(integral_constant 0) .. fn(integral_constant N - 1), written out: arrays of vectors that are
// indexed by these constants stay in registers.
template <int... I, class Fn>
HWY_INLINE void UnrollOver(std::integer_sequence<int, I...>, const Fn& fn) {
  (fn(std::integral_constant<int, I>{}), ...);
}
template <int N, class Fn>
HWY_INLINE void Unroll(const Fn& fn) {
  UnrollOver(std::make_integer_sequence<int, N>{}, fn);
}

// kLanes elements as floats.
HWY_INLINE VF Load(const float* p) { return hn::LoadU(DF(), p); }
HWY_INLINE VF Load(const BF16* p) {
  const hn::Rebind<uint16_t, DF> d16;
  const VU wide = hn::PromoteTo(DU(), hn::LoadU(d16, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(DF(), hn::ShiftLeft<16>(wide));
}
HWY_INLINE VF Load(const F16* p) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  return hn::PromoteTo(DF(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(p)));
}

// fp8 e4m3 as half floats of 2^-8 of their value, subnormals as subnormals: codes stand in the high
// bytes of 16-bit lanes. Only 0x7f, NaN, carries into the high bit of the exponent.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V F8Halves(D d, V high) {
  const hn::RebindToSigned<D> di;
  const V shifted = hn::BitCast(d, hn::ShiftRight<1>(hn::BitCast(di, high)));
  const V half = hn::And(shifted, hn::Set(d, 0xbf80));
  return hn::Or(half, hn::And(hn::Add(half, hn::Set(d, 0x80)), hn::Set(d, 0x4000)));
}
HWY_INLINE VF Load(const F8E4M3* p) {
  const hn::Rebind<uint8_t, DF> d8;
  const hn::Rebind<uint16_t, DF> d16;
  const hn::Rebind<hwy::float16_t, DF> df16;
  const auto codes = hn::PromoteTo(d16, hn::LoadU(d8, reinterpret_cast<const uint8_t*>(p)));
  const auto halves = hn::BitCast(df16, F8Halves(d16, hn::ShiftLeft<8>(codes)));
  return hn::Mul(hn::PromoteTo(DF(), halves), hn::Set(DF(), 256.0f));
}

// Bits of the nearest bf16, ties to even, in the high halves, the low ones arbitrary: the
// arithmetic of RoundTo<BF16>.
HWY_INLINE VU BF16Bits(VF x) {
  const DU du;
  const VU bits = hn::BitCast(du, x);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const VU rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7fff)), odd);
  const VU quiet = hn::Or(bits, hn::Set(du, 0x400000));
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
}

// Rounds once and stores kLanes elements.
HWY_INLINE void Store(VF x, float* p) { hn::StoreU(x, DF(), p); }
HWY_INLINE void Store(VF x, BF16* p) {
  const hn::Rebind<uint16_t, DF> d16;
  const auto narrow = hn::DemoteTo(d16, hn::BitCast(DI(), hn::ShiftRight<16>(BF16Bits(x))));
  hn::StoreU(narrow, d16, reinterpret_cast<uint16_t*>(p));
}
HWY_INLINE void Store(VF x, F16* p) {
  const hn::Rebind<hwy::float16_t, DF> d16;
  hn::StoreU(hn::DemoteTo(d16, x), d16, reinterpret_cast<hwy::float16_t*>(p));
}

HWY_INLINE void Store(VF x, F8E4M3* p) {  // the arithmetic of RoundTo<F8E4M3>
  const DF df;
  const DU du;
  const VF absolute = hn::Min(hn::Abs(x), hn::Set(df, 448.0f));
  const VU value = hn::BitCast(du, absolute);
  const VU odd = hn::And(hn::ShiftRight<20>(value), hn::Set(du, 1));
  const VU rounded = hn::Add(hn::Add(value, hn::Set(du, 0x7ffff)), odd);
  const VU normal = hn::ShiftRight<20>(hn::Sub(rounded, hn::Set(du, 0x3c000000)));
  // Added to 2^14, a number is rounded to units of 2^-9, the subnormals, in the low bits.
  const VF units = hn::Set(df, 0x1p14f);
  const VU subnormal = hn::Sub(hn::BitCast(du, hn::Add(absolute, units)), hn::BitCast(du, units));
  const auto is_small = hn::RebindMask(du, hn::Lt(absolute, hn::Set(df, 0x1p-6f)));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(x));
  const VU sign = hn::And(hn::ShiftRight<24>(hn::BitCast(du, x)), hn::Set(du, 0x80));
  const VU number = hn::Or(hn::IfThenElse(is_small, subnormal, normal), sign);
  const VU code = hn::IfThenElse(is_nan, hn::Set(du, 0x7f), number);
  const hn::Rebind<uint8_t, DF> d8;
  const auto narrow = hn::DemoteTo(d8, hn::BitCast(DI(), code));
  hn::StoreU(narrow, d8, reinterpret_cast<uint8_t*>(p));
}

// x rounded to T, still as float.
template <class T>
HWY_INLINE VF Round(VF x) {
  if constexpr (std::is_same_v<T, BF16>) {
    return hn::BitCast(DF(), hn::And(BF16Bits(x), hn::Set(DU(), 0xffff0000u)));
  } else if constexpr (std::is_same_v<T, F16>) {
    const hn::Rebind<hwy::float16_t, DF> d16;
    return hn::PromoteTo(DF(), hn::DemoteTo(d16, x));
  } else {
    return x;
  }
}

// The first n < kLanes elements; the other lanes are zero on loading and not written on storing.
template <class T>
HWY_INLINE VF LoadN(const T* p, int64_t n) {
  T padded[kLanes] = {};
  std::memcpy(padded, p, n * sizeof(T));
  return Load(padded);
}
template <class T>
HWY_INLINE void StoreN(VF x, T* p, int64_t n) {
  T padded[kLanes];
  Store(x, padded);
  std::memcpy(p, padded, n * sizeof(T));
}

// y[i] = fn(x...[i]) for n elements; the tail goes through the same vector arithmetic. Results may
// overlay an operand exactly.
template <class T, class Fn, class... In>
HWY_INLINE void Map(int64_t n, T* y, const Fn& fn, const In*... x) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(fn(Load(x + i)...), y + i);
  if (i < n) StoreN(fn(LoadN(x + i, n - i)...), y + i, n - i);
}

// Converts n elements; equal types keep their bits, NaN payloads included.
template <class From, class To>
HWY_INLINE void Convert(const From* from, To* to, int64_t n) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, n * sizeof(To));
  } else {
    Map(
        n, to, [](VF x) RW_INLINED { return x; }, from);
  }
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
