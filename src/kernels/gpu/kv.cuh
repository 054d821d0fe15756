// Writing keys and values into the cache.
#pragma once

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

template <class C, class T, int kCount>
__device__ __forceinline__ void StoreCacheAs(std::byte* plane, int64_t at, const Pack<T, kCount>& x,
                                             float scale) {
  Pack<C, kCount> y;
  if constexpr (std::is_same_v<C, T>) {
    y = x;
  } else {
    const bool divides = std::is_same_v<C, F8E4M3> && scale != 1.0f;
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float value = Widen(x.at[j]);
      y.at[j] = Narrow<C>(divides ? value / scale : value);
    }
  }
  StoreRun(reinterpret_cast<C*>(plane) + at, y);
}

// Stores x as elements `at`, at + 1, ... of kv.k or kv.v in the cache's type; equal types keep
// their bits, fp8 is in units of `scale`.
template <class T, int kCount>
__device__ __forceinline__ void StoreCache(DType dtype, std::byte* plane, int64_t at,
                                           const Pack<T, kCount>& x, float scale) {
  if (dtype == kDTypeOf<T>) return StoreCacheAs<T>(plane, at, x, scale);
  if (dtype == DType::kF8E4M3) return StoreCacheAs<F8E4M3>(plane, at, x, scale);
  if (dtype == DType::kBF16) return StoreCacheAs<BF16>(plane, at, x, scale);
  if (dtype == DType::kF16) return StoreCacheAs<F16>(plane, at, x, scale);
  StoreCacheAs<float>(plane, at, x, scale);
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
