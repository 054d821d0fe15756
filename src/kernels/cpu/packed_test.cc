// Products with packed weights: vectors equal the reference bit for bit, which lies within its
// bound of the product in double.
#include "base/packed.h"

#include "base/packed_testing.h"
#include "kernels/cpu/testing.h"
#include "kernels/packed_x.h"

namespace rw {
namespace {

using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

// A random packed matrix.
struct Weights {
  Weights(DType dtype, int64_t m, int64_t k, uint32_t seed)
      : data(testing::RandomPacked(dtype, m, k, seed)),
        view(TensorView::Contiguous(data.data(), dtype, std::array{m, k})) {}
  std::vector<float> Row(int64_t row) const {
    std::vector<float> out(view.dims[1]);
    UnpackRow(view.dtype, data.data(), view.dims[1], row, out.data());
    return out;
  }

  std::vector<std::byte> data;
  TensorView view;
};

struct Case {
  int64_t n, k, m;
};

class PackedLinear : public ::testing::TestWithParam<DType> {};

TEST_P(PackedLinear, SimdEqualsReference) {
  ForEachTarget([] {
    for (const DType dtype : testing::kFloatTypes) {
      for (const Case c : {Case{1, 256, 16},
                           {1, 33, 1},
                           {2, 512, 20},
                           {3, 130, 33},
                           {4, 96, 16},
                           {7, 600, 17},
                           {23, 512, 40}}) {
        SCOPED_TRACE(fmt::format("{} {}x{}x{}", Name(dtype), c.n, c.k, c.m));
        const Tensor x = Tensor(dtype, {c.n, c.k}, 3).Random(1, 4);
        const Weights w(GetParam(), c.m, c.k, 2);
        const Tensor b = Tensor(DType::kBF16, {c.m}).Random(3);
        for (const DType out : {dtype, DType::kF32}) {
          const Tensor y(out, {c.n, c.m}, 4), biased(out, {c.n, c.m}, 4);
          const Tensor y_ref(out, {c.n, c.m}), biased_ref(out, {c.n, c.m});
          RunOp("linear", "simd", {x, w.view}, {y}, {}, 2);
          RunOp("linear", "reference", {x, w.view}, {y_ref});
          RunOp("linear", "simd", {x, w.view, b}, {biased}, {}, 2);
          RunOp("linear", "reference", {x, w.view, b}, {biased_ref});
          EXPECT_TRUE(y.Same(y_ref) && biased.Same(biased_ref));
          EXPECT_TRUE(y.CanariesLive() && biased.CanariesLive());
        }
      }
    }
  });
}

// More tokens than are packed at a time.
TEST_P(PackedLinear, SimdEqualsReferenceInEveryBlock) {
  ForEachTarget([] {
    const Tensor x = Tensor(DType::kF32, {500, 64}).Random(1);
    const Weights w(GetParam(), 18, 64, 2);
    const Tensor y(DType::kF32, {500, 18}), y_ref(DType::kF32, {500, 18});
    RunOp("linear", "simd", {x, w.view}, {y}, {}, 3);
    RunOp("linear", "reference", {x, w.view}, {y_ref});
    EXPECT_TRUE(y.Same(y_ref));
  });
}

// x is off by half a step of its group and a rounding; a sum of k/16 terms has roundings of its
// own.
TEST_P(PackedLinear, ReferenceIsNearTheProductInDouble) {
  const Case c{5, 520, 37};
  const Tensor x = Tensor(DType::kF32, {c.n, c.k}).Random(1, 4);
  const Weights w(GetParam(), c.m, c.k, 2);
  const Tensor y(DType::kF32, {c.n, c.m});
  RunOp("linear", "reference", {x, w.view}, {y});
  for (int64_t j = 0; j < c.m; ++j) {
    const std::vector<float> row = w.Row(j);
    for (int64_t i = 0; i < c.n; ++i) {
      double product = 0, magnitude = 0, bound = 0;
      for (int64_t g = 0; g < c.k; g += kXGroup) {
        double most = 0, weights = 0;
        for (int64_t l = g; l < std::min(c.k, g + kXGroup); ++l) {
          product += static_cast<double>(x.At(i, l)) * row[l];
          magnitude += std::abs(static_cast<double>(x.At(i, l)) * row[l]);
          most = std::max(most, std::abs(static_cast<double>(x.At(i, l))));
          weights += std::abs(row[l]);
        }
        bound += weights * most / kXWhole * 0.51;
      }
      // q4k's products and minima cancel, so their own sizes count: at most 15 * 63 to 63 steps.
      const double terms = LayoutOf(GetParam()).has_min() ? 32.0 * c.k * 4 : magnitude;
      bound += (static_cast<double>(c.k) / 16 + 4) * testing::kEps * std::max(terms, magnitude);
      EXPECT_NEAR(y.At(i, j), product, bound) << i << "," << j;
    }
  }
}

TEST_P(PackedLinear, RowsDoNotDependOnTheirCompany) {
  ForEachTarget([] {
    const Tensor x = Tensor(DType::kBF16, {29, 288}).Random(1);
    const Weights w(GetParam(), 50, 288, 2);
    const Tensor all(DType::kBF16, {29, 50});
    RunOp("linear", "simd", {x, w.view}, {all}, {}, 2);
    for (const int64_t n : {1, 2, 3, 4, 6, 11}) {
      TensorView some = x.view();
      some.dims[0] = n;
      const Tensor y(DType::kBF16, {n, 50});
      RunOp("linear", "simd", {some, w.view}, {y});
      for (int64_t i = 0; i < n; ++i) EXPECT_TRUE(y.SameRow(i, all, i)) << n << " " << i;
    }
  });
}

TEST_P(PackedLinear, ExtremesDoNotOverflow) {  // all codes and all x at their ends
  ForEachTarget([] {
    const PackedLayout& layout = LayoutOf(GetParam());
    const int64_t k = 256;
    for (const int sign : {-1, 1}) {
      PackedRow row(layout, k);
      const int high = layout.is_signed() ? (1 << (layout.bits - 1)) - 1 : 15;
      const int low = layout.is_signed() ? -high - 1 : 0;
      std::ranges::fill(row.codes, static_cast<int8_t>(sign < 0 ? low : high));
      std::ranges::fill(row.zeros, static_cast<int8_t>(sign < 0 ? high : low));
      std::ranges::fill(row.scales, F16{0x2400});  // 2^-6
      std::ranges::fill(row.sub_scales, static_cast<int8_t>(layout.has_min() ? 63 : -128));
      std::vector<std::byte> data(BytesOf(GetParam(), 16, k));
      for (int r = 0; r < 16; ++r) WritePackedRow(GetParam(), row, k, r, data.data());
      const TensorView w =
          TensorView::Contiguous(data.data(), GetParam(), std::array{int64_t{16}, k});
      std::vector<float> elements(k);
      UnpackRow(GetParam(), data.data(), k, 0, elements.data());
      Tensor x(DType::kF32, {8, k});
      for (int64_t i = 0; i < 8 * k; ++i) x.Set(i / k, i % k, i / k % 2 == 0 ? 1.0f : -1.0f);
      const Tensor y(DType::kF32, {8, 16});
      RunOp("linear", "simd", {x, w}, {y});
      for (int64_t i = 0; i < 8; ++i) {
        const float expected = elements[0] * static_cast<float>(k) * (i % 2 == 0 ? 1.0f : -1.0f);
        EXPECT_NEAR(y.At(i, 5), expected, std::abs(expected) * 1e-5f) << sign << " " << i;
      }
    }
  });
}

TEST(PackedLinearX, NotFiniteIsNanAndTinyIsZero) {
  testing::ForEachProvider([](std::string_view provider) {
    Tensor x = Tensor(DType::kF32, {5, 64}).Random(1);
    x.Set(1, 7, std::numeric_limits<float>::infinity());
    x.Set(2, 40, std::numeric_limits<float>::quiet_NaN());
    for (int i = 0; i < 64; ++i) x.Set(3, i, 0x1p-120f), x.Set(4, i, 0);
    const Weights w(DType::kI8G32, 16, 64, 2);
    const Tensor y(DType::kF32, {5, 16});
    RunOp("linear", provider, {x, w.view}, {y});
    EXPECT_TRUE(std::isfinite(y.At(0, 3)));
    EXPECT_TRUE(std::isnan(y.At(1, 3)) && std::isnan(y.At(2, 3)));
    EXPECT_EQ(y.At(3, 3), 0);
    EXPECT_EQ(y.At(4, 3), 0);
  });
}

// Products in one call, of weights of different formats, are what they are alone.
TEST(PackedLinears, EqualOneByOne) {
  ForEachTarget([] {
    for (const int64_t n : {1, 9}) {
      const Tensor x = Tensor(DType::kBF16, {n, 96}).Random(1);
      const Weights a(DType::kQ4K, 40, 96, 2), b(DType::kQ6K, 17, 96, 3),
          c(DType::kI8G32, 16, 96, 4);
      const Tensor ya(DType::kBF16, {n, 40}), yb(DType::kBF16, {n, 17}), yc(DType::kBF16, {n, 16});
      RunOp("linear3", "simd", {x, a.view, b.view, c.view}, {ya, yb, yc}, {}, 2);
      for (const auto& [w, y] : {std::pair(&a, &ya), std::pair(&b, &yb), std::pair(&c, &yc)}) {
        const Tensor alone(DType::kBF16, {n, w->view.dims[0]});
        RunOp("linear", "reference", {x, w->view}, {alone});
        EXPECT_TRUE(alone.Same(*y));
      }
    }
  });
}

TEST_P(PackedLinear, EmbedReadsRows) {
  const Weights w(GetParam(), 40, 70, 2);
  const Tensor ids = Tensor::Ints({39, 0, 17});
  const Tensor y(DType::kF32, {3, 70});
  RunOp("embed", "reference", {ids, w.view}, {y});
  const std::vector<float> row = w.Row(17);
  for (int64_t i = 0; i < 70; ++i) EXPECT_EQ(y.At(2, i), row[i]);
}

INSTANTIATE_TEST_SUITE_P(Types, PackedLinear, ::testing::ValuesIn(kPackedTypes),
                         [](const auto& type) { return std::string(Name(type.param)); });

}  // namespace
}  // namespace rw
