// embed, gather_rows, kv_write: bits move unharmed, and only where they should.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::Cache;
using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

TEST(Embed, SimdEqualsReference) {
  ForEachTarget([] {
    const Tensor ids = Tensor::Ints({4, 0, 4, 2});
    for (const DType w_dtype : testing::kFloatTypes) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const int64_t h : {1, 16, 37, 64, 100}) {
          const Tensor w = Tensor(w_dtype, {5, h}, 3).Random(h, 100);
          const Tensor y(dtype, {4, h}, 2), reference(dtype, {4, h});
          RunOp("embed", "simd", {ids, w}, {y}, {}, 2);
          RunOp("embed", "reference", {ids, w}, {reference});
          EXPECT_TRUE(y.Same(reference));
          EXPECT_FALSE(y.AnyNan());
          EXPECT_TRUE(y.CanariesLive());
          for (int64_t i = 0; i < h; ++i) {
            if (dtype == w_dtype) {
              EXPECT_EQ(y.At(0, i), w.At(4, i));
            }
          }
        }
      }
    }
  });
}

// Every one of the 2^16 values of the short types, and the ties between them, round as RoundTo.
TEST(Embed, ConvertsEveryNumber) {
  ForEachTarget([] {
    const int64_t h = 1 << 16;
    const Tensor id = Tensor::Ints({0});
    for (const DType from : {DType::kBF16, DType::kF16}) {
      for (const uint32_t low : {0u, 0x7fffu, 0x8000u, 0x8001u, 0x0fffu, 0x1000u, 0x3000u}) {
        const Tensor shorts(from, {1, h}), floats(DType::kF32, {1, h});
        for (int64_t i = 0; i < h; ++i) {
          shorts.view().row<uint16_t>(0)[i] = static_cast<uint16_t>(i);
          floats.view().row<uint32_t>(0)[i] = static_cast<uint32_t>(i) << 16 | low;
        }
        const Tensor wide(DType::kF32, {1, h}), narrow(from, {1, h});
        RunOp("embed", "simd", {id, shorts}, {wide});
        RunOp("embed", "simd", {id, floats}, {narrow});
        const Tensor wide_ref(DType::kF32, {1, h}), narrow_ref(from, {1, h});
        RunOp("embed", "reference", {id, shorts}, {wide_ref});
        RunOp("embed", "reference", {id, floats}, {narrow_ref});
        for (int64_t i = 0; i < h; ++i) {  // NaN: any NaN
          ASSERT_TRUE(wide.At(0, i) == wide_ref.At(0, i) || std::isnan(wide_ref.At(0, i))) << i;
          ASSERT_TRUE(narrow.At(0, i) == narrow_ref.At(0, i) || std::isnan(narrow_ref.At(0, i)))
              << i << " " << low;
          ASSERT_EQ(std::isnan(wide.At(0, i)), std::isnan(wide_ref.At(0, i)));
          ASSERT_EQ(std::isnan(narrow.At(0, i)), std::isnan(narrow_ref.At(0, i))) << i;
          ASSERT_EQ(std::signbit(narrow.At(0, i)), std::signbit(narrow_ref.At(0, i)));
        }
      }
    }
  });
}

TEST(GatherRows, TakesTheNamedRows) {
  const Tensor x = Tensor(DType::kBF16, {6, 13}, 2).Random(1);
  const Tensor rows = Tensor::Ints({5, 0, 5});
  const Tensor y(DType::kBF16, {3, 13}, 1);
  RunOp("gather_rows", "reference", {x, rows}, {y});
  EXPECT_TRUE(y.SameRow(0, x, 5) && y.SameRow(1, x, 0) && y.SameRow(2, x, 5));
  EXPECT_TRUE(y.CanariesLive());
}

TEST(KvWrite, WritesItsSlotsAndNothingElse) {
  ForEachTarget([] {
    const Tensor slot = Tensor::Ints({15, -1, 16, 47, 0});
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType kv_dtype : testing::kCacheTypes) {
        for (const int64_t d : {16, 40, 64, 80}) {
          for (const bool tokens_first : {false, true}) {
            const Tensor k = Tensor(dtype, {5, 2, d}, 3).Random(1, 9);
            const Tensor v = Tensor(dtype, {5, 2, d}, 5).Random(2, 9);
            const bool scaled = kv_dtype == DType::kF8E4M3 && d != 40;
            Cache simd(kv_dtype, 3, 2, d, tokens_first, scaled);
            Cache reference(kv_dtype, 3, 2, d, tokens_first, scaled);
            RunOp("kv_write", "simd", {k, v, slot}, {}, {}, 2, &simd.view);
            RunOp("kv_write", "reference", {k, v, slot}, {}, {}, 1, &reference.view);
            EXPECT_TRUE(simd.k.Same(reference.k) && simd.v.Same(reference.v));
            EXPECT_TRUE(simd.k.CanariesLive() && simd.v.CanariesLive());
            int64_t written = 0;
            for (int64_t page = 0; page < 3; ++page) {
              for (int64_t i = 0; i < simd.k.view().width(); ++i) {
                written += !std::isnan(simd.k.At(page, i));
              }
            }
            EXPECT_EQ(written, 4 * 2 * d);
            const int64_t at = simd.view.Offset(0, 1, 15) + d - 1;  // token 0, head 1, last element
            if (kv_dtype == dtype) {
              EXPECT_EQ(simd.k.At(0, at), k.At(0, 2 * d - 1));
            }
          }
        }
      }
    }
  });
}

TEST(KvWrite, F8IsInUnitsOfItsHeadsScale) {
  constexpr float k_in[] = {1.4f, -6.3f, 0.0f, 0.7f, 0.022f, -400.0f};  // units of 0.7 and 0.35
  constexpr float v_in[] = {0.03f, 0.3f, -100.0f, 0.06f, 0.0f, 1e9f};   // units of 0.03 and 0.06
  constexpr float k_stored[] = {2, -9, 0, 2, 0.0625, -448};
  constexpr float v_stored[] = {1, 10, -448, 1, 0, 448};
  Tensor k(DType::kF32, {1, 2, 3}), v(DType::kF32, {1, 2, 3});
  for (int64_t i = 0; i < 6; ++i) k.Set(0, i, k_in[i]), v.Set(0, i, v_in[i]);
  testing::ForEachProvider([&](std::string_view provider) {
    Cache cache(DType::kF8E4M3, 1, 2, 3, false, true);
    RunOp("kv_write", provider, {k, v, Tensor::Ints({0})}, {}, {}, 1, &cache.view);
    for (int64_t i = 0; i < 6; ++i) {
      const int64_t at = cache.view.Offset(0, i / 3, 0) + i % 3;
      EXPECT_EQ(cache.k.At(0, at), k_stored[i]);
      EXPECT_EQ(cache.v.At(0, at), v_stored[i]);
    }
  });
}

}  // namespace
}  // namespace rw
