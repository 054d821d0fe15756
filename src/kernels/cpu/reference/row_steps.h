// Steps on one row that several kernels take: rms_norm, and moving a row to another type or place.
#pragma once

#include <cstring>

#include "kernels/cpu/cache_scale.h"
#include "kernels/cpu/reference/float_rows.h"
#include "kernels/scalar_math.h"
#include "kv/kv_cache.h"

namespace rw::reference {

// rms_norm of each w.size() elements of the row, rounded to t.
inline void NormRow(NormStyle style, float eps, DType t, const std::vector<float>& w,
                    std::vector<float>& row) {
  const auto h = static_cast<int64_t>(w.size());
  for (auto x = row.begin(); x != row.end(); x += h) {
    const float factor = NormFactor(SumSquares(&*x, h), h, eps);
    WithFloatType(t, [&]<class T>(T) {
      const auto through = [](float value) { return ToFloat(RoundTo<T>(value)); };
      for (int64_t j = 0; j < h; ++j) {
        x[j] = through(NormElement(style, x[j], factor, w[j], through));
      }
    });
  }
}

// Converts a row of n elements; equal types keep their bits, NaN payloads included.
inline void ConvertRow(DType from_type, const std::byte* from, DType to_type, std::byte* to,
                       int64_t n) {
  if (from_type == to_type) {
    std::memmove(to, from, n * SizeOf(from_type));
    return;
  }
  std::vector<float> row(n);
  ToFloats(from_type, from, n, row.data());
  FromFloats(to_type, row.data(), n, to);
}

// Stores the keys or values of one head in the cache: fp8 in units of `scale`.
inline void WriteHead(const KvLayerView& kv, float scale, DType dtype, const std::byte* from,
                      std::byte* to) {
  if (kv.dtype != DType::kF8E4M3) return ConvertRow(dtype, from, kv.dtype, to, kv.head_dim);
  std::vector<float> row(kv.head_dim);
  ToFloats(dtype, from, kv.head_dim, row.data());
  for (float& x : row) x /= scale;
  FromFloats(kv.dtype, row.data(), kv.head_dim, to);
}

// Stores a token's row of keys and row of values in the cache; slot -1: nowhere.
inline void WriteToken(const KvLayerView& kv, int64_t slot, DType dtype, const std::byte* k,
                       const std::byte* v) {
  if (slot < 0) return;
  RW_CHECK(slot < kv.pages * kPageSize, "slot {} of {} pages", slot, kv.pages);
  for (int64_t head = 0; head < kv.heads; ++head) {
    const int64_t from = head * kv.head_dim * static_cast<int64_t>(SizeOf(dtype));
    const int64_t to = kv.Offset(slot / kPageSize, head, slot % kPageSize) *
                       static_cast<int64_t>(SizeOf(kv.dtype));
    WriteHead(kv, CacheScale(kv.k_scale, head), dtype, k + from, kv.k + to);
    WriteHead(kv, CacheScale(kv.v_scale, head), dtype, v + from, kv.v + to);
  }
}

}  // namespace rw::reference
