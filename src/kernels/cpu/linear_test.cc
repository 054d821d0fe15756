// linear: vectors against the reference within the error of a reordered sum, and the same bits for
// a row whatever stands beside it.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

// Two sums of the same k products in different orders, each with chains of at most k / 4 + 16
// additions, lie no further apart than 2 (k / 4 + 16) half ulps of the sum of magnitudes.
void ExpectClose(const Tensor& x, const Tensor& w, const Tensor* bias, const Tensor& y,
                 const Tensor& reference) {
  const int64_t k = w.view().dims[1];
  testing::ExpectNear(y, reference, [&](int64_t i, int64_t j) {
    double magnitude = bias != nullptr ? std::abs(bias->At(j, 0)) : 0;
    for (int64_t l = 0; l < k; ++l) magnitude += std::abs(x.At(i, l) * w.At(j, l));
    return 2 * (static_cast<double>(k) / 4 + 16) * testing::kEps * magnitude;
  });
}

TEST(Linear, ReferenceMultiplies) {
  Tensor x(DType::kF32, {2, 3}), w(DType::kF32, {2, 3}), b(DType::kF32, {2});
  for (int i = 0; i < 6; ++i) {
    x.Set(i / 3, i % 3, static_cast<float>(i + 1));
    w.Set(i / 3, i % 3, static_cast<float>(i - 2));
  }
  b.Set(0, 0, 0.5f), b.Set(1, 0, 100.0f);
  const Tensor y(DType::kF32, {2, 2}, 1);
  RunOp("linear", "reference", {x, w, b}, {y});
  EXPECT_EQ(y.At(0, 0), -2 - 2 + 0 + 0.5f);
  EXPECT_EQ(y.At(0, 1), 1 + 4 + 9 + 100.0f);
  EXPECT_EQ(y.At(1, 0), -8 - 5 + 0 + 0.5f);
  EXPECT_EQ(y.At(1, 1), 4 + 10 + 18 + 100.0f);
}

struct Case {
  int64_t n, k, m;
};

TEST(Linear, SimdFollowsReferenceInEveryType) {
  ForEachTarget([] {
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType w_dtype : testing::kFloatTypes) {
        for (const Case c : {Case{1, 64, 16}, {1, 1, 1}, {2, 37, 9}, {7, 100, 13}, {13, 33, 70}}) {
          for (const DType out : {dtype, DType::kF32}) {
            SCOPED_TRACE(fmt::format("{} {} {} {}x{}x{}", Name(dtype), Name(w_dtype), Name(out),
                                     c.n, c.k, c.m));
            const Tensor x = Tensor(dtype, {c.n, c.k}, 3).Random(1);
            const Tensor w = Tensor(w_dtype, {c.m, c.k}, 5).Random(2);
            const Tensor b = Tensor(w_dtype, {c.m}).Random(3);
            const Tensor y(out, {c.n, c.m}, 4), biased(out, {c.n, c.m}, 4);
            const Tensor y_ref(out, {c.n, c.m}), biased_ref(out, {c.n, c.m});
            RunOp("linear", "simd", {x, w}, {y}, {}, 2);
            RunOp("linear", "reference", {x, w}, {y_ref});
            RunOp("linear", "simd", {x, w, b}, {biased}, {}, 2);
            RunOp("linear", "reference", {x, w, b}, {biased_ref});
            ExpectClose(x, w, nullptr, y, y_ref);
            ExpectClose(x, w, &b, biased, biased_ref);
            EXPECT_FALSE(y.AnyNan() || biased.AnyNan());
            EXPECT_TRUE(y.CanariesLive() && biased.CanariesLive());
          }
        }
      }
    }
  });
}

// Depths around the blocks of 1024, and tokens around a packed block of 384.
TEST(Linear, SimdFollowsReferenceInEveryBlock) {
  ForEachTarget([] {
    for (const Case c : {Case{3, 1024, 20},
                         {5, 1025, 8},
                         {8, 2080, 67},
                         {25, 1500, 130},
                         {2, 4100, 12},
                         {400, 65, 9},
                         {770, 16, 4}}) {
      SCOPED_TRACE(fmt::format("{}x{}x{}", c.n, c.k, c.m));
      const Tensor x = Tensor(DType::kF32, {c.n, c.k}).Random(1);
      const Tensor w = Tensor(DType::kBF16, {c.m, c.k}).Random(2);
      const Tensor y(DType::kF32, {c.n, c.m}), reference(DType::kF32, {c.n, c.m});
      RunOp("linear", "simd", {x, w}, {y}, {}, 2);
      RunOp("linear", "reference", {x, w}, {reference});
      ExpectClose(x, w, nullptr, y, reference);
      EXPECT_TRUE(y.CanariesLive());
    }
  });
}

// Row i of a batch of any size, at any place, on any number of threads, is row i alone.
TEST(Linear, RowsAreAloneInAnyCompany) {
  for (const std::string_view provider : {"simd", "reference"}) {
    ForEachTarget([&] {
      for (const DType w_dtype : testing::kFloatTypes) {
        for (const Case c : {Case{65, 576, 70}, {17, 2100, 33}, {400, 40, 11}}) {
          SCOPED_TRACE(fmt::format("{} {}x{}x{}", Name(w_dtype), c.n, c.k, c.m));
          const Tensor x = Tensor(DType::kBF16, {c.n, c.k}).Random(1);
          const Tensor w = Tensor(w_dtype, {c.m, c.k}).Random(2);
          const Tensor b = Tensor(DType::kF32, {c.m}).Random(3);
          const Tensor all(DType::kF32, {c.n, c.m});
          RunOp("linear", provider, {x, w, b}, {all}, {}, 3);
          for (const int64_t rows : {1, 2, 3, 4, 6, 7, 13, 64}) {
            const int64_t first = (rows * 31) % (c.n - std::min(rows, c.n - 1));
            TensorView some = x;
            some.data += first * c.k * 2;
            some.dims[0] = std::min(rows, c.n - first);
            const Tensor y(DType::kF32, {some.dims[0], c.m}, 2);
            RunOp("linear", provider, {some, w, b}, {y}, {}, 1 + static_cast<int>(rows % 2));
            for (int64_t i = 0; i < some.dims[0]; ++i) {
              ASSERT_TRUE(y.SameRow(i, all, first + i)) << rows << " " << i;
            }
          }
        }
      }
    });
  }
}

// Nor does a column depend on which columns are computed with it.
TEST(Linear, ColumnsAreAloneToo) {
  ForEachTarget([] {
    const int64_t n = 5, k = 300, m = 40;
    const Tensor x = Tensor(DType::kF32, {n, k}).Random(1);
    const Tensor w = Tensor(DType::kBF16, {m, k}).Random(2);
    const Tensor all(DType::kF32, {n, m});
    RunOp("linear", "simd", {x, w}, {all});
    for (int64_t j = 0; j < m; ++j) {
      TensorView row = w;
      row.data += j * k * 2;
      row.dims[0] = 1;
      const Tensor y(DType::kF32, {n, 1});
      RunOp("linear", "simd", {x, row}, {y});
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y.At(i, 0), all.At(i, j));
    }
  });
}

TEST(Linear, NanStaysInItsRow) {
  ForEachTarget([] {
    Tensor x = Tensor(DType::kBF16, {7, 50}).Random(1);
    x.Set(3, 49, std::numeric_limits<float>::quiet_NaN());
    const Tensor w = Tensor(DType::kBF16, {6, 50}).Random(2);
    const Tensor y(DType::kBF16, {7, 6});
    RunOp("linear", "simd", {x, w}, {y});
    for (int64_t i = 0; i < 7; ++i) {
      for (int64_t j = 0; j < 6; ++j) EXPECT_EQ(std::isnan(y.At(i, j)), i == 3);
    }
  });
}

}  // namespace
}  // namespace rw
