// add, mul, scale, silu, gelu, gelu_tanh, softcap and the gated activations on the GPU.
#include "kernels/gpu/testing.h"

namespace rw {
namespace {

using testing::ExpectSame;
using testing::RunGpu;
using testing::RunOp;
using testing::Tensor;

class GpuElementwise : public testing::GpuTest {};

struct Shape {
  std::vector<int64_t> dims;
  int64_t gap;
};
// Odd ones, and rows that packs of 16 bytes divide, with gaps that they divide or not.
const Shape kShapes[] = {{{1, 1}, 0},  {{3, 37}, 0},    {{5, 64}, 3},    {{70, 96}, 8},
                         {{2, 97}, 1}, {{4, 3, 40}, 8}, {{1, 40000}, 0}, {{0, 8}, 0}};

struct Unary {
  std::string_view op;
  Attrs attrs;
  double half_ulps;  // of the result, in float; 0: equal bits
  double absolute;   // for each |x| >= 1, and at least for 1
};
// Each library's e^x, erf and tanh are good to 2 ulps, so the two lie at most 8 half ulps apart; a
// division and a few products follow. gelu near its zero crossings cancels 1 + erf or 1 + tanh,
// where only an absolute bound of |x| / 2 times those half ulps of 1 can hold.
const Unary kUnary[] = {{"scale", {{"by", 0.3}}, 0, 0},      {"silu", {}, 12, 1e-37},
                        {"gelu", {}, 8, 8 * 0x1p-24},        {"gelu_tanh", {}, 8, 16 * 0x1p-24},
                        {"softcap", {{"cap", 30.0}}, 12, 0}, {"softcap", {{"cap", 0.5}}, 12, 0}};

TEST_F(GpuElementwise, UnaryFollowsReference) {
  for (const Unary& unary : kUnary) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(fmt::format("{} {} {}", unary.op, Name(dtype), shape.dims.back()));
        const Tensor x = Tensor(dtype, shape.dims, shape.gap).Random(7, 12);
        const Tensor y(dtype, shape.dims, shape.gap), reference(dtype, shape.dims);
        RunGpu(unary.op, "gpu", {x}, {y}, unary.attrs);
        RunOp(unary.op, "reference", {x}, {reference}, unary.attrs);
        if (unary.half_ulps == 0) {
          EXPECT_TRUE(y.Same(reference));
        } else {
          testing::ExpectNear(y, reference, [&](int64_t r, int64_t i) {
            return unary.half_ulps * testing::kEps * std::abs(reference.At(r, i)) +
                   unary.absolute * std::max(1.0f, std::abs(x.At(r, i)));
          });
        }
        EXPECT_FALSE(y.AnyNan());
        EXPECT_TRUE(y.CanariesLive());
        RunGpu(unary.op, "gpu", {x}, {x}, unary.attrs);  // in place
        ExpectSame(x, y);
      }
    }
  }
}

TEST_F(GpuElementwise, BinaryEqualsReference) {
  for (const std::string_view op : {"add", "mul"}) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(fmt::format("{} {} {}", op, Name(dtype), shape.dims.back()));
        const Tensor a = Tensor(dtype, shape.dims, shape.gap).Random(1, 3);
        const Tensor b = Tensor(dtype, shape.dims, shape.gap + 1).Random(2, 3);
        const Tensor y(dtype, shape.dims, shape.gap), reference(dtype, shape.dims);
        RunGpu(op, "gpu", {a, b}, {y});
        RunOp(op, "reference", {a, b}, {reference});
        ExpectSame(y, reference);
        EXPECT_FALSE(y.AnyNan());
        RunGpu(op, "gpu", {a, b}, {b});  // in place of the second
        ExpectSame(b, reference);
        const Tensor twice = a;
        RunOp(op, "reference", {a, a}, {twice});
        RunGpu(op, "gpu", {a, a}, {a});  // of itself
        ExpectSame(a, twice);
      }
    }
  }
}

// Columns of wider rows, which begin where no pack does.
TEST_F(GpuElementwise, TakesSlices) {
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t first : {0, 1, 8}) {
      const Tensor wide = Tensor(dtype, {6, 80}).Random(1, 3);
      TensorView slice = wide;
      slice.data += first * static_cast<int64_t>(SizeOf(dtype));
      slice.dims[1] = 48;
      const Tensor y(dtype, {6, 48}), reference(dtype, {6, 48});
      RunGpu("add", "gpu", {slice, slice}, {y});
      RunOp("add", "reference", {slice, slice}, {reference});
      ExpectSame(y, reference);
      const Tensor expected = wide;  // all but the slice stays
      TensorView into = expected;
      into.data += first * static_cast<int64_t>(SizeOf(dtype));
      into.dims[1] = 48;
      RunOp("add", "reference", {slice, slice}, {into});
      RunGpu("add", "gpu", {slice, slice}, {slice});
      ExpectSame(wide, expected);
    }
  }
}

// NaN stays NaN, infinities go where the functions' limits are, and neighbours do not notice.
TEST_F(GpuElementwise, SpecialNumbers) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const DType dtype : testing::kFloatTypes) {
    for (const int64_t width : {33, 64}) {
      const auto run = [&](std::string_view op, const Attrs& attrs) {
        Tensor x = Tensor(dtype, {1, width}).Random(3);
        x.Set(0, 0, nan), x.Set(0, 1, inf), x.Set(0, 2, -1000.0f), x.Set(0, 3, 0.0f);
        Tensor y(dtype, {1, width});
        RunGpu(op, "gpu", {x}, {y}, attrs);
        EXPECT_TRUE(std::isnan(y.At(0, 0))) << op;
        for (int64_t i = 1; i < width; ++i) EXPECT_FALSE(std::isnan(y.At(0, i))) << op << i;
        return y;
      };
      for (const std::string_view op : {"silu", "gelu", "gelu_tanh"}) {
        const Tensor y = run(op, {});
        EXPECT_EQ(y.At(0, 1), inf);
        EXPECT_EQ(y.At(0, 2), 0.0f);
        EXPECT_EQ(y.At(0, 3), 0.0f);
      }
      const Tensor y = run("softcap", {{"cap", 30.0}});
      EXPECT_EQ(y.At(0, 1), 30.0f);
      EXPECT_EQ(y.At(0, 2), -30.0f);
    }
  }
}

TEST_F(GpuElementwise, ActMulEqualsActThenMul) {
  for (const std::string act : {"silu", "gelu", "gelu_tanh"}) {
    for (const DType dtype : testing::kFloatTypes) {
      for (const Shape& shape : kShapes) {
        if (shape.dims[0] == 0) continue;
        SCOPED_TRACE(fmt::format("{} {} {}", act, Name(dtype), shape.dims.back()));
        const Tensor up = Tensor(dtype, shape.dims, shape.gap + 1).Random(2, 3);
        Tensor gate = Tensor(dtype, shape.dims, shape.gap).Random(1, 9);
        gate.Set(0, 0, std::numeric_limits<float>::quiet_NaN());
        gate.Set(0, shape.dims.back() / 2, -std::numeric_limits<float>::infinity());
        const Tensor activated(dtype, shape.dims), expected(dtype, shape.dims);
        const Tensor y(dtype, shape.dims, 2), in_place = gate;
        RunGpu(act, "gpu", {gate}, {activated});
        RunGpu("mul", "gpu", {activated, up}, {expected});
        RunGpu(act + "_mul", "gpu", {gate, up}, {y});
        RunGpu(act + "_mul", "gpu", {in_place, up}, {in_place});
        ExpectSame(y, expected);
        ExpectSame(in_place, expected);
      }
    }
  }
}

}  // namespace
}  // namespace rw
