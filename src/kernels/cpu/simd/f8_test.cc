// fp8 in vectors against the scalar conversions: every code, and numbers of every size, bit for
// bit.
#include <bit>
#include <vector>

#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/testing.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/f8_test.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/attention_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS

void Widen(const F8E4M3* x, int64_t n, float* y) {
  Map(
      n, y, [](VF v) RW_INLINED { return v; }, x);
}
void Narrow(const float* x, int64_t n, F8E4M3* y) {
  Map(
      n, y, [](VF v) RW_INLINED { return v; }, x);
}
void Transpose(const F8E4M3* k, int64_t stride, int64_t d, float scale, float* out) {
  TransposePage(k, stride, d, scale, out);
}

#else  // no vectors: nothing to compare
void Widen(const F8E4M3* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = ToFloat(x[i]);
}
void Narrow(const float* x, int64_t n, F8E4M3* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = RoundTo<F8E4M3>(x[i]);
}
void Transpose(const F8E4M3* k, int64_t stride, int64_t d, float scale, float* out) {
  for (int64_t i = 0; i < d * kPageSize; ++i) {
    out[i] = ToFloat(k[i % kPageSize * stride + i / kPageSize]) * scale;
  }
}
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(Widen);
HWY_EXPORT(Narrow);
HWY_EXPORT(Transpose);

uint32_t Bits(float x) { return std::bit_cast<uint32_t>(x); }

TEST(SimdF8, WidensEveryCode) {
  testing::ForEachTarget([] {
    for (const int64_t n : {256, 251}) {  // whole vectors, and a tail
      std::vector<F8E4M3> codes(n);
      for (int64_t i = 0; i < n; ++i) codes[i].bits = static_cast<uint8_t>(255 - i);
      std::vector<float> y(n);
      HWY_DYNAMIC_DISPATCH(Widen)(codes.data(), n, y.data());
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(Bits(y[i]), Bits(ToFloat(codes[i]))) << i;
    }
  });
}

TEST(SimdF8, NarrowsAsRoundTo) {
  testing::ForEachTarget([] {
    // Upper halves of all floats, ties among them, and what lies beside them.
    for (const uint32_t low : {0u, 1u, 0xffffu}) {
      const int64_t n = 1 << 16;
      std::vector<float> x(n);
      for (int64_t i = 0; i < n; ++i) {
        x[i] = std::bit_cast<float>(static_cast<uint32_t>(i) << 16 | low);
      }
      std::vector<F8E4M3> y(n);
      HWY_DYNAMIC_DISPATCH(Narrow)(x.data(), n, y.data());
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], RoundTo<F8E4M3>(x[i])) << x[i];
    }
  });
}

TEST(SimdF8, TransposesEveryCode) {
  testing::ForEachTarget([] {
    for (const auto& [d, stride] :
         std::vector<std::pair<int64_t, int64_t>>{{64, 64}, {40, 80}, {72, 75}, {16, 32}}) {
      for (const float scale : {1.0f, 0.3f}) {
        std::vector<F8E4M3> page(kPageSize * stride);
        for (size_t i = 0; i < page.size(); ++i)
          page[i].bits = static_cast<uint8_t>(i * 37 + i / 256);
        std::vector<float> y(d * kPageSize);
        HWY_DYNAMIC_DISPATCH(Transpose)(page.data(), stride, d, scale, y.data());
        for (int64_t i = 0; i < d; ++i) {
          for (int64_t j = 0; j < kPageSize; ++j) {
            const float expected = ToFloat(page[j * stride + i]) * scale;
            ASSERT_EQ(Bits(y[i * kPageSize + j]), Bits(expected)) << d << " " << i << " " << j;
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace rw::simd
#endif  // HWY_ONCE
