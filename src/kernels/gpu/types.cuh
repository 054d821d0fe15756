// Element types on the device: conversions to float and back with one rounding, and 16-byte
// accesses.
#pragma once

#include "base/dtype.h"
#include "kernels/gpu/portable.h"

namespace rw::gpu {

__device__ __forceinline__ float Widen(float x) { return x; }
__device__ __forceinline__ float Widen(BF16 x) {
  return __uint_as_float(static_cast<uint32_t>(x.bits) << 16);
}
__device__ __forceinline__ float Widen(F16 x) { return __half2float(__ushort_as_half(x.bits)); }

// Rounds to the nearest T, ties to even.
template <class T>
__device__ __forceinline__ T Narrow(float x);
template <>
__device__ __forceinline__ float Narrow<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ BF16 Narrow<BF16>(float x) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
}
template <>
__device__ __forceinline__ F16 Narrow<F16>(float x) {
  return {__half_as_ushort(__float2half_rn(x))};
}

#if !defined(__HIP_PLATFORM_AMD__)
__device__ __forceinline__ float Widen(F8E4M3 x) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(x.bits, __NV_E4M3)));
}
// Saturates at +-448.
template <>
__device__ __forceinline__ F8E4M3 Narrow<F8E4M3>(float x) {
  return {__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3)};
}
#endif

// x as it would be after being stored as T.
template <class T>
__device__ __forceinline__ float Through(float x) {
  return Widen(Narrow<T>(x));
}

// kCount elements that move in one access.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T at[kCount];
};
// As many as fit 16 bytes.
template <class T>
inline constexpr int kPack = 16 / sizeof(T);

template <class T, int kCount>
__device__ __forceinline__ Pack<T, kCount> LoadPack(const T* from) {
  return *reinterpret_cast<const Pack<T, kCount>*>(from);
}
template <class T, int kCount>
__device__ __forceinline__ void StorePack(T* to, const Pack<T, kCount>& pack) {
  *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
}

}  // namespace rw::gpu
