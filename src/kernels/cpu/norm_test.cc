// rms_norm: its meaning by hand, and vectors equal to the reference bit for bit.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

Attrs NormAttrs(const std::string& style) { return {{"eps", 1e-5}, {"style", style}}; }

TEST(RmsNorm, RoundsWhereEachStyleSays) {
  // A row of (3, 4): mean square 12.5. Rounding to bf16 before or after the weight differs.
  Tensor x(DType::kBF16, {1, 2}), w(DType::kF32, {2});
  x.Set(0, 0, 3), x.Set(0, 1, 4);
  w.Set(0, 0, 1.01f), w.Set(1, 0, 1.01f);
  const float factor = 1.0f / std::sqrt(12.5f + 1e-5f);
  const auto bf16 = [](float v) { return ToFloat(RoundTo<BF16>(v)); };
  const auto result = [&](const std::string& style) {
    const Tensor y(DType::kBF16, {1, 2});
    RunOp("rms_norm", "reference", {x, w}, {y}, NormAttrs(style));
    return y.At(0, 0);
  };
  EXPECT_EQ(result("llama"), bf16(1.01f * bf16(3 * factor)));
  EXPECT_EQ(result("gemma"), bf16(3 * factor * (1.0f + 1.01f)));
  EXPECT_EQ(result("olmo"), bf16(1.01f * (3 * factor)));
}

TEST(RmsNorm, SimdEqualsReference) {
  ForEachTarget([] {
    for (const std::string style : {"llama", "gemma", "olmo"}) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const DType w_dtype : testing::kFloatTypes) {
          for (const int64_t h : {1, 16, 31, 32, 40, 96, 100, 576}) {
            SCOPED_TRACE(fmt::format("{} {} {} {}", style, Name(dtype), Name(w_dtype), h));
            const Tensor x = Tensor(dtype, {3, 2, h}, 5).Random(h, 3);
            const Tensor w = Tensor(w_dtype, {h}).Random(1, 2);
            const Tensor y(dtype, {3, 2, h}, 1), reference(dtype, {3, 2, h});
            RunOp("rms_norm", "simd", {x, w}, {y}, NormAttrs(style), 2);
            RunOp("rms_norm", "reference", {x, w}, {reference}, NormAttrs(style));
            EXPECT_TRUE(y.Same(reference));
            EXPECT_FALSE(y.AnyNan());
            EXPECT_TRUE(y.CanariesLive());
            RunOp("rms_norm", "simd", {x, w}, {x}, NormAttrs(style));  // in place
            EXPECT_TRUE(x.Same(reference));
            EXPECT_TRUE(x.CanariesLive());
          }
        }
      }
    }
  });
}

TEST(RmsNorm, RowsAreAloneInAnyCompany) {
  ForEachTarget([] {
    const int64_t n = 9, h = 200;
    const Tensor x = Tensor(DType::kBF16, {n, h}).Random(4);
    const Tensor w = Tensor(DType::kBF16, {h}).Random(5);
    const Tensor all(DType::kBF16, {n, h});
    RunOp("rms_norm", "simd", {x, w}, {all}, NormAttrs("llama"), 3);
    for (int64_t i = 0; i < n; ++i) {
      TensorView row = x;
      row.data += i * h * 2;
      row.dims[0] = 1;
      const Tensor alone(DType::kBF16, {1, h});
      RunOp("rms_norm", "simd", {row, w}, {alone}, NormAttrs("llama"));
      EXPECT_TRUE(all.SameRow(i, alone, 0));
    }
  });
}

TEST(RmsNorm, NanStaysInItsRow) {
  ForEachTarget([] {
    Tensor x = Tensor(DType::kF32, {2, 20}).Random(4);
    x.Set(0, 17, std::numeric_limits<float>::quiet_NaN());
    const Tensor w = Tensor(DType::kF32, {20}).Random(5);
    const Tensor y(DType::kF32, {2, 20});
    RunOp("rms_norm", "simd", {x, w}, {y}, NormAttrs("llama"));
    for (int64_t i = 0; i < 20; ++i) {
      EXPECT_TRUE(std::isnan(y.At(0, i)));
      EXPECT_FALSE(std::isnan(y.At(1, i)));
    }
  });
}

}  // namespace
}  // namespace rw
