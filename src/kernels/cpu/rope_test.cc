// rope: its meaning by hand, and vectors equal to the reference bit for bit.
#include "kernels/cpu/testing.h"

namespace rw {
namespace {

using testing::Angles;
using testing::ForEachTarget;
using testing::RunOp;
using testing::Tensor;

TEST(Rope, TurnsPairsByTheirLayout) {
  const Tensor pos = Tensor::Ints({3});
  const Tensor cs = Angles(4, 4);
  for (const bool half : {true, false}) {
    Tensor q(DType::kF32, {1, 1, 6});
    for (int i = 0; i < 6; ++i) q.Set(0, i, static_cast<float>(i + 1));
    const Attrs attrs{{"layout", std::string(half ? "half" : "interleaved")}};
    RunOp("rope", "reference", {q, q, pos, cs}, {q, Tensor(DType::kF32, {1, 1, 6})}, attrs);
    for (int i = 0; i < 2; ++i) {
      const int a = half ? i : 2 * i, b = half ? i + 2 : 2 * i + 1;
      const float x = static_cast<float>(a + 1), y = static_cast<float>(b + 1);
      const float c = cs.At(3, i), s = cs.At(3, 2 + i);
      EXPECT_EQ(q.At(0, a), x * c - y * s);
      EXPECT_EQ(q.At(0, b), y * c + x * s);
    }
    EXPECT_EQ(q.At(0, 4), 5.0f);  // past r: untouched
    EXPECT_EQ(q.At(0, 5), 6.0f);
  }
}

struct Case {
  int64_t d, r;
};

TEST(Rope, SimdEqualsReference) {
  ForEachTarget([] {
    const Tensor pos = Tensor::Ints({0, 7, 3, 3, 19});
    for (const std::string layout : {"half", "interleaved"}) {
      for (const DType dtype : testing::kFloatTypes) {
        for (const Case c : {Case{16, 16},
                             {32, 32},
                             {40, 40},
                             {64, 64},
                             {80, 20},
                             {96, 96},
                             {128, 64},
                             {256, 256},
                             {6, 2}}) {
          SCOPED_TRACE(fmt::format("{} {} {} {}", layout, Name(dtype), c.d, c.r));
          const Attrs attrs{{"layout", layout}};
          const Tensor cs = Angles(20, c.r);
          const Tensor q = Tensor(dtype, {5, 3, c.d}, 4).Random(1);
          const Tensor k = Tensor(dtype, {5, 1, c.d}, 7).Random(2);
          const Tensor q_out(dtype, {5, 3, c.d}, 2), k_out(dtype, {5, 1, c.d}, 1);
          const Tensor q_ref(dtype, {5, 3, c.d}), k_ref(dtype, {5, 1, c.d});
          RunOp("rope", "simd", {q, k, pos, cs}, {q_out, k_out}, attrs, 2);
          RunOp("rope", "reference", {q, k, pos, cs}, {q_ref, k_ref}, attrs);
          EXPECT_TRUE(q_out.Same(q_ref) && k_out.Same(k_ref));
          EXPECT_FALSE(q_out.AnyNan() || k_out.AnyNan());
          EXPECT_TRUE(q_out.CanariesLive() && k_out.CanariesLive());
          RunOp("rope", "simd", {q, k, pos, cs}, {q, k}, attrs);  // in place
          EXPECT_TRUE(q.Same(q_ref) && k.Same(k_ref));
          EXPECT_TRUE(q.CanariesLive() && k.CanariesLive());
        }
      }
    }
  });
}

}  // namespace
}  // namespace rw
