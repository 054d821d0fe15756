// add, mul, scale, silu, gelu, gelu_tanh, softcap: vectors against the reference.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

struct Shape {
  std::vector<int64_t> dims;
  int64_t gap;
};
const Shape kShapes[] = {{{1, 1}, 0},  {{1, 16}, 0},   {{3, 37}, 0},   {{5, 64}, 3},
                         {{2, 97}, 1}, {{4, 3, 5}, 2}, {{1, 40000}, 0}};

struct Unary {
  std::string_view op;
  Attrs attrs;
  double ulps;  // of the exact result that the two may differ by, in float; 0: equal bits
  double absolute;
};
// The bounds: e^x and tanh are good to 2 and 4 ulps on each side (simd_math_test), one division
// and a few products follow. gelu near its zero crossings cancels 1 + erf or 1 + tanh, where only
// an absolute bound of |x| / 2 times a few half ulps of 1 can hold.
const Unary kUnary[] = {{"scale", {{"by", 0.3}}, 0, 0},     {"silu", {}, 8, 1e-37},
                        {"gelu", {}, 8, 8 * 0x1p-24},       {"gelu_tanh", {}, 8, 16 * 0x1p-24},
                        {"softcap", {{"cap", 30.0}}, 8, 0}, {"softcap", {{"cap", 0.5}}, 8, 0}};

void ExpectClose(const Unary& unary, const Tensor& x, const Tensor& y, const Tensor& reference) {
  if (unary.ulps == 0) {
    EXPECT_TRUE(y.Same(reference));
    return;
  }
  testing::ExpectNear(y, reference, [&](int64_t r, int64_t i) {
    return unary.ulps * 0x1p-24 * std::abs(reference.At(r, i)) +
           unary.absolute * std::max(1.0f, std::abs(x.At(r, i)));
  });
}

TEST(Elementwise, UnaryFollowsReference) {
  ForEachTarget([] {
    for (const Unary& unary : kUnary) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const Shape& shape : kShapes) {
          SCOPED_TRACE(fmt::format("{} {} {}", unary.op, Name(dtype), shape.dims.back()));
          const Tensor x = Tensor(dtype, shape.dims, shape.gap).Random(7, 12);
          const Tensor y(dtype, shape.dims, shape.gap), reference(dtype, shape.dims);
          RunOp(unary.op, "simd", {x}, {y}, unary.attrs, 2);
          RunOp(unary.op, "reference", {x}, {reference}, unary.attrs);
          ExpectClose(unary, x, y, reference);
          EXPECT_FALSE(y.AnyNan());
          EXPECT_TRUE(y.CanariesLive());
          RunOp(unary.op, "simd", {x}, {x}, unary.attrs);  // in place
          EXPECT_TRUE(x.Same(y));
          EXPECT_TRUE(x.CanariesLive());
        }
      }
    }
  });
}

TEST(Elementwise, BinaryEqualsReference) {
  ForEachTarget([] {
    for (const std::string_view op : {"add", "mul"}) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const Shape& shape : kShapes) {
          SCOPED_TRACE(fmt::format("{} {} {}", op, Name(dtype), shape.dims.back()));
          const Tensor a = Tensor(dtype, shape.dims, shape.gap).Random(1, 3);
          const Tensor b = Tensor(dtype, shape.dims, shape.gap + 1).Random(2, 3);
          const Tensor y(dtype, shape.dims, shape.gap), reference(dtype, shape.dims);
          RunOp(op, "simd", {a, b}, {y}, {}, 2);
          RunOp(op, "reference", {a, b}, {reference});
          EXPECT_TRUE(y.Same(reference));
          EXPECT_FALSE(y.AnyNan());
          EXPECT_TRUE(y.CanariesLive());
          RunOp(op, "simd", {a, b}, {b});  // in place of the second
          EXPECT_TRUE(b.Same(y));
          EXPECT_TRUE(b.CanariesLive());
        }
      }
    }
  });
}

// NaN stays NaN, infinities go where the functions' limits are, and neighbours do not notice.
TEST(Elementwise, SpecialNumbers) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ForEachTarget([&] {
    for (const std::string_view provider : {"simd", "reference"}) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const int64_t width : {4, 33}) {
          Tensor x(dtype, {1, width});
          const auto run = [&](std::string_view op, const Attrs& attrs) {
            x.Random(3);
            x.Set(0, 0, nan), x.Set(0, 1, inf), x.Set(0, 2, -1000.0f), x.Set(0, 3, 0.0f);
            Tensor y(dtype, {1, width});
            RunOp(op, provider, {x}, {y}, attrs);
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
          run("scale", {{"by", 2.0}});
        }
      }
    }
  });
}

}  // namespace
}  // namespace rw
