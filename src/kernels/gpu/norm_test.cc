// rms_norm and add_rms_norm on the GPU.
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::ExpectSame;
using testing::Integers;
using testing::RunGpu;
using testing::RunOp;
using testing::Tensor;

class GpuRmsNorm : public testing::GpuTest {};

const std::string kStyles[] = {"llama", "gemma", "olmo"};

Attrs NormAttrs(const std::string& style) { return {{"eps", 1e-5}, {"style", style}}; }

// Sums of squares of whole numbers are exact in any order, so every bit has to be the reference's.
void ExpectEqualsReference(const std::string& style, DType dtype, DType w_dtype, int64_t h) {
  SCOPED_TRACE(fmt::format("{} {} {} {}", style, Name(dtype), Name(w_dtype), h));
  for (const int64_t gap : {0, 5, 8}) {
    const Tensor x = Integers(dtype, {3, 2, h}, static_cast<uint32_t>(h), 15, gap);
    const Tensor w = Tensor(w_dtype, {h}).Random(1, 2);
    const Tensor y(dtype, {3, 2, h}, gap), reference(dtype, {3, 2, h});
    RunGpu("rms_norm", "gpu", {x, w}, {y}, NormAttrs(style));
    RunOp("rms_norm", "reference", {x, w}, {reference}, NormAttrs(style));
    ExpectSame(y, reference);
    EXPECT_FALSE(y.AnyNan());
    RunGpu("rms_norm", "gpu", {x, w}, {x}, NormAttrs(style));  // in place
    ExpectSame(x, reference);
  }
}

TEST_F(GpuRmsNorm, EqualsReferenceOnWholeNumbers) {
  for (const std::string& style : kStyles) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t h : {1, 31, 64, 100, 128, 200, 512, 576, 3000, 4096, 8192}) {
        ExpectEqualsReference(style, dtype, dtype, h);
      }
      for (const DType w_dtype : testing::kFloatTypes) {
        for (const int64_t h : {80, 97}) ExpectEqualsReference(style, dtype, w_dtype, h);
      }
    }
  }
}

TEST_F(GpuRmsNorm, FollowsReference) {
  for (const std::string& style : kStyles) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const int64_t h : {96, 2048}) {
        SCOPED_TRACE(fmt::format("{} {} {}", style, Name(dtype), h));
        const Tensor x = Tensor(dtype, {5, h}).Random(1, 3), w = Tensor(dtype, {h}).Random(2, 2);
        const Tensor y(dtype, {5, h}), reference(dtype, {5, h});
        RunGpu("rms_norm", "gpu", {x, w}, {y}, NormAttrs(style));
        RunOp("rms_norm", "reference", {x, w}, {reference}, NormAttrs(style));
        // Each sum of squares has chains of at most h / 16 + 16 additions, and a root halves the
        // error. Llama's first rounding may go the other way, by one step of the type.
        const double sums = static_cast<double>(h) / 16 + 16;
        const double first = style == "llama" && dtype != DType::kF32 ? testing::UlpOf(dtype) : 0;
        testing::ExpectNear(y, reference, [&](int64_t r, int64_t i) {
          return ((sums + 8) * testing::kEps + first) * std::abs(reference.At(r, i));
        });
      }
    }
  }
}

// Many short rows: the heads of q and k.
TEST_F(GpuRmsNorm, TakesManyShortRows) {
  for (const int64_t h : {64, 128, 256}) {
    const Tensor x = Integers(DType::kBF16, {130, 9, h}, 3, 15);
    const Tensor w = Tensor(DType::kBF16, {h}).Random(1, 2);
    const Tensor y(DType::kBF16, {130, 9, h}), reference(DType::kBF16, {130, 9, h});
    RunGpu("rms_norm", "gpu", {x, w}, {y}, NormAttrs("llama"));
    RunOp("rms_norm", "reference", {x, w}, {reference}, NormAttrs("llama"));
    ExpectSame(y, reference);
  }
}

TEST_F(GpuRmsNorm, RowsAreAloneInAnyCompany) {
  for (const int64_t h : {200, 4096}) {
    const int64_t n = 300;
    const Tensor x = Tensor(DType::kBF16, {n, h}).Random(4),
                 w = Tensor(DType::kBF16, {h}).Random(5);
    const Tensor all(DType::kBF16, {n, h});
    RunGpu("rms_norm", "gpu", {x, w}, {all}, NormAttrs("llama"));
    for (const int64_t i : {0, 1, 7, 150, 299}) {
      const Tensor alone(DType::kBF16, {1, h});
      RunGpu("rms_norm", "gpu", {testing::Rows(x, i), w}, {alone}, NormAttrs("llama"));
      EXPECT_TRUE(all.SameRow(i, alone, 0)) << i;
    }
  }
}

TEST_F(GpuRmsNorm, NanStaysInItsRow) {
  for (const int64_t h : {20, 128, 2048}) {
    Tensor x = Tensor(DType::kF32, {3, h}).Random(4);
    x.Set(1, h - 3, std::numeric_limits<float>::quiet_NaN());
    const Tensor w = Tensor(DType::kF32, {h}).Random(5);
    const Tensor y(DType::kF32, {3, h});
    RunGpu("rms_norm", "gpu", {x, w}, {y}, NormAttrs("llama"));
    for (int64_t i = 0; i < h; ++i) {
      for (const int64_t r : {0, 1, 2}) EXPECT_EQ(std::isnan(y.At(r, i)), r == 1);
    }
  }
}

class GpuAddRmsNorm : public testing::GpuTest {};

// Results in memory of their own, or each where its operand lies, or one of the two.
void ExpectAddsThenNorms(const Tensor& a, const Tensor& b, const Tensor& w, const Attrs& attrs) {
  const std::vector<int64_t> dims = {a.view().dims[0], a.view().dims[1]};
  const DType dtype = a.view().dtype;
  const Tensor sum(dtype, dims), normed(dtype, dims);
  RunGpu("add", "gpu", {a, b}, {sum});
  RunGpu("rms_norm", "gpu", {sum, w}, {normed}, attrs);
  for (const int alias : {0, 1, 2, 3}) {
    const Tensor x = a, add = b, new_sum(dtype, dims, 2), new_y(dtype, dims, 3);
    const Tensor& s = (alias & 1) != 0 ? x : new_sum;
    const Tensor& y = (alias & 2) != 0 ? add : new_y;
    RunGpu("add_rms_norm", "gpu", {x, add, w}, {s, y}, attrs);
    ExpectSame(s, sum);
    ExpectSame(y, normed);
  }
}

struct Case {
  int64_t n, h, gap;
};

TEST_F(GpuAddRmsNorm, EqualsAddThenRmsNorm) {
  for (const std::string& style : kStyles) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const DType w_dtype : testing::kFloatTypes) {
        for (const Case& c : {Case{1, 1, 0},
                              {3, 64, 2},
                              {2, 97, 1},
                              {5, 264, 0},
                              {300, 576, 8},
                              {3, 4104, 8},
                              {3, 9000, 0}}) {
          if (c.h > 100 && w_dtype != dtype) continue;  // nothing new, only slow
          SCOPED_TRACE(fmt::format("{} {} {} {}x{}", style, Name(dtype), Name(w_dtype), c.n, c.h));
          const Tensor a = Tensor(dtype, {c.n, c.h}, c.gap).Random(1, 3);
          const Tensor b = Tensor(dtype, {c.n, c.h}, 2 * c.gap).Random(2, 3);
          const Tensor w = Tensor(w_dtype, {c.h}).Random(3, 2);
          ExpectAddsThenNorms(a, b, w, NormAttrs(style));
        }
      }
    }
  }
}

TEST_F(GpuAddRmsNorm, EqualsReferenceOnWholeNumbers) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t h : {33, 128, 4096}) {
      const Tensor a = Integers(dtype, {4, h}, 1, 7), b = Integers(dtype, {4, h}, 2, 7, 8);
      const Tensor w = Tensor(dtype, {h}).Random(3, 2);
      const Tensor sum(dtype, {4, h}), y(dtype, {4, h});
      const Tensor sum_ref(dtype, {4, h}), y_ref(dtype, {4, h});
      RunGpu("add_rms_norm", "gpu", {a, b, w}, {sum, y}, NormAttrs("llama"));
      RunOp("add_rms_norm", "reference", {a, b, w}, {sum_ref, y_ref}, NormAttrs("llama"));
      ExpectSame(sum, sum_ref);
      ExpectSame(y, y_ref);
    }
  }
}

}  // namespace
}  // namespace rw
