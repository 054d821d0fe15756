// Where tokens enter the cache. Included once per target.
#if defined(RW_KERNELS_CPU_SIMD_KV_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RW_KERNELS_CPU_SIMD_KV_INL_H_
#undef RW_KERNELS_CPU_SIMD_KV_INL_H_
#else
#define RW_KERNELS_CPU_SIMD_KV_INL_H_
#endif

#include "base/check.h"
#include "kernels/cpu/cache_scale.h"
#include "kernels/cpu/simd/vec-inl.h"
#include "kv/kv_cache.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

// Stores the keys or values of one head in the cache: fp8 in units of `scale`.
template <class T, class KV>
HWY_INLINE void WriteHead(const T* from, float scale, KV* to, int64_t d) {
  if constexpr (std::is_same_v<KV, F8E4M3>) {
    const VF unit = hn::Set(DF(), scale);
    Map(
        d, to, [unit](VF x) RW_INLINED { return hn::Div(x, unit); }, from);
  } else {
    Convert(from, to, d);
  }
}

// Stores a token's row of keys and row of values in the cache; slot -1: nowhere.
template <class T, class KV>
void WriteToken(const KvLayerView& kv, int64_t slot, const T* k, const T* v) {
  if (slot < 0) return;
  RW_CHECK(slot < kv.pages * kPageSize, "slot {} of {} pages", slot, kv.pages);
  const int64_t d = kv.head_dim;
  for (int64_t head = 0; head < kv.heads; ++head) {
    const int64_t to = kv.Offset(slot / kPageSize, head, slot % kPageSize);
    WriteHead(k + head * d, CacheScale(kv.k_scale, head), reinterpret_cast<KV*>(kv.k) + to, d);
    WriteHead(v + head * d, CacheScale(kv.v_scale, head), reinterpret_cast<KV*>(kv.v) + to, d);
  }
}

#endif  // RW_HAS_VECTORS
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();
#endif
