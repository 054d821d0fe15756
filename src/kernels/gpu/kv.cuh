// Writing keys and values into the cache.
#pragma once

#include <bit>
#include <type_traits>

#include "kernels/gpu/octet.cuh"
#include "kv/kv_cache.h"

namespace rw::gpu {

__device__ __forceinline__ bool HasSlot(const KvLayerView& kv, int64_t slot) {
  return slot >= 0 && slot < kv.pages * kPageSize;
}
// Where the rows of a slot's heads begin; they lie head_stride apart.
__device__ __forceinline__ int64_t SlotOffset(const KvLayerView& kv, int64_t slot) {
  return slot / kPageSize * kv.page_stride + slot % kPageSize * kv.token_stride;
}

__device__ __forceinline__ float ScaleOf(const float* scales, int head) {
  return scales == nullptr ? 1.0f : scales[head];
}

// Divides by the scale of a head: each quotient as division rounds it, or where fp8 has only its
// largest number or zero, one that becomes that too. One reciprocal serves all numbers.
class CacheScale {
 public:
  // Extreme scales, and what they divide, are brought to where no exponent leaves its range.
  __device__ __forceinline__ explicit CacheScale(float scale)
      : unit_(fabsf(scale) < 0x1p-60f  ? 0x1p100f
              : fabsf(scale) > 0x1p60f ? 0x1p-100f
                                       : 1.0f),
        scale_(scale * unit_),
        reciprocal_(1.0f / scale_) {}

  // A quotient is bettered twice by its remainder, which loses the sign of zero. Beyond all fp8
  // numbers there may be infinities, which have no remainder.
  __device__ __forceinline__ float Divide(float x) const {
    constexpr float kBeyond = 1024;
    x *= unit_;
    const auto better = [&](float y) { return fmaf(fmaf(-scale_, y, x), reciprocal_, y); };
    const float first = x * reciprocal_;
    return fabsf(first) < kBeyond ? copysignf(better(better(first)), first) : first;
  }

 private:
  float unit_, scale_, reciprocal_;
};

template <class C, int kCount>
__device__ __forceinline__ Pack<C, kCount> NarrowAll(const float (&x)[kCount]) {
  Pack<C, kCount> y;
#pragma unroll
  for (int j = 0; j < kCount; ++j) y.at[j] = Narrow<C>(x[j]);
  return y;
}
#if !defined(__HIP_PLATFORM_AMD__)
// Two at once: one instruction.
template <>
__device__ __forceinline__ Pack<F8E4M3, kOctet> NarrowAll(const float (&x)[kOctet]) {
  Pack<uint16_t, kOctet / 2> twos;
#pragma unroll
  for (int j = 0; j < kOctet; j += 2) {
    twos.at[j / 2] =
        __nv_cvt_float2_to_fp8x2(make_float2(x[j], x[j + 1]), __NV_SATFINITE, __NV_E4M3);
  }
  return std::bit_cast<Pack<F8E4M3, kOctet>>(twos);
}
#endif

// Stores x from element `at` on. Equal types keep their bits, fp8 is in units of the scale.
template <class C, class T, int kCount>
__device__ __forceinline__ void StoreCacheAs(std::byte* plane, int64_t at, const Pack<T, kCount>& x,
                                             float scale) {
  C* to = reinterpret_cast<C*>(plane) + at;
  if constexpr (std::is_same_v<C, T>) {
    StoreRun(to, x);
  } else {
    const CacheScale by(scale);
    float values[kCount];
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      values[j] = Widen(x.at[j]);
      if constexpr (std::is_same_v<C, F8E4M3>) values[j] = by.Divide(values[j]);
    }
    StoreRun(to, NarrowAll<C>(values));
  }
}

// Calls fn(C{}) with the C++ type of a cache's dtype; T, the type of activations, comes first.
template <class T, class Fn>
__device__ __forceinline__ void WithCacheTypeFrom(DType dtype, const Fn& fn) {
  if (dtype == kDTypeOf<T>) return fn(T{});
  if (dtype == DType::kF8E4M3) return fn(F8E4M3{});
  if (dtype == DType::kBF16) return fn(BF16{});
  if (dtype == DType::kF16) return fn(F16{});
  fn(float{});
}

// Stores x as elements `at`, at + 1, ... of kv.k or kv.v in the cache's type.
template <class T, int kCount>
__device__ __forceinline__ void StoreCache(DType dtype, std::byte* plane, int64_t at,
                                           const Pack<T, kCount>& x, float scale) {
  WithCacheTypeFrom<T>(dtype, [&]<class C>(C) { StoreCacheAs<C>(plane, at, x, scale); });
}

// Whether StoreCache can write octets.
inline bool CacheHasOctets(const KvLayerView& kv) {
  const auto size = static_cast<int64_t>(SizeOf(kv.dtype));
  const int64_t access = std::min<int64_t>(16, kOctet * size);
  if (kv.head_dim % kOctet != 0) return false;
  for (const std::byte* plane : {kv.k, kv.v}) {
    if (reinterpret_cast<uintptr_t>(plane) % static_cast<uintptr_t>(access) != 0) return false;
  }
  for (const int64_t stride : {kv.page_stride, kv.head_stride, kv.token_stride}) {
    if (stride * size % access != 0) return false;
  }
  return true;
}

}  // namespace rw::gpu
