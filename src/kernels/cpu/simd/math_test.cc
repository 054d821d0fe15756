// How far the vector exp, tanh and erf are from the exact functions, in ulps of float.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/simd/targets.h"
#include "kernels/cpu/testing.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/math_test.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "kernels/cpu/simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rw::simd {
namespace HWY_NAMESPACE {
#if RW_HAS_VECTORS
void ExpOf(const float* x, int64_t n, float* y) {
  Map(
      n, y, [](VF v) RW_INLINED { return Exp(v); }, x);
}
void TanhOf(const float* x, int64_t n, float* y) {
  Map(
      n, y, [](VF v) RW_INLINED { return Tanh(v); }, x);
}
void ErfOf(const float* x, int64_t n, float* y) {
  Map(
      n, y, [](VF v) RW_INLINED { return Erf(v); }, x);
}
#else  // no vectors: the C library
void ExpOf(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i]);
}
void TanhOf(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::tanh(x[i]);
}
void ErfOf(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::erf(x[i]);
}
#endif
}  // namespace HWY_NAMESPACE
}  // namespace rw::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rw::simd {
namespace {

HWY_EXPORT(ExpOf);
HWY_EXPORT(TanhOf);
HWY_EXPORT(ErfOf);

// Every 997th float of both signs up to `limit`, in all binades down to the subnormal ones.
std::vector<float> Sweep(float limit) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits <= std::bit_cast<uint32_t>(limit); bits += 997) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  return x;
}

// Largest |y - exact(x)| in ulps of the exact result (of the smallest normal below that).
template <class Exact>
double MaxUlps(const std::vector<float>& x, const std::vector<float>& y, const Exact& exact) {
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = exact(static_cast<double>(x[i]));
    const int exponent = std::max(std::ilogb(std::max(std::abs(want), 0x1p-126)), -126);
    worst = std::max(worst, std::abs(y[i] - want) / std::ldexp(1.0, exponent - 23));
  }
  return worst;
}

// Into the test report, under the target's name.
void Record(double ulps) {
  ::testing::Test::RecordProperty(hwy::TargetName(hwy::SupportedTargets()), std::to_string(ulps));
}

TEST(SimdMath, ExpIsGoodTo2Ulps) {
  testing::ForEachTarget([] {
    const std::vector<float> x = Sweep(88.0f);
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(ExpOf)(x.data(), static_cast<int64_t>(x.size()), y.data());
    const double ulps = MaxUlps(x, y, [](double v) { return std::exp(v); });
    Record(ulps);
    EXPECT_LE(ulps, 2) << ulps;
  });
}

TEST(SimdMath, TanhIsGoodTo4Ulps) {
  testing::ForEachTarget([] {
    const std::vector<float> x = Sweep(50.0f);
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(TanhOf)(x.data(), static_cast<int64_t>(x.size()), y.data());
    const double ulps = MaxUlps(x, y, [](double v) { return std::tanh(v); });
    Record(ulps);
    EXPECT_LE(ulps, 4) << ulps;
  });
}

TEST(SimdMath, ErfIsGoodTo3Ulps) {
  testing::ForEachTarget([] {
    const std::vector<float> x = Sweep(50.0f);
    std::vector<float> y(x.size());
    HWY_DYNAMIC_DISPATCH(ErfOf)(x.data(), static_cast<int64_t>(x.size()), y.data());
    const double ulps = MaxUlps(x, y, [](double v) { return std::erf(v); });
    Record(ulps);
    EXPECT_LE(ulps, 3) << ulps;
  });
}

TEST(SimdMath, LimitsAndNan) {
  testing::ForEachTarget([] {
    const float inf = std::numeric_limits<float>::infinity();
    const std::vector<float> x = {inf, -inf, 0.0f, -0.0f, 1e30f, -1e30f, -200.0f, std::nanf("")};
    std::vector<float> exp(8), tanh(8), erf(8);
    HWY_DYNAMIC_DISPATCH(ExpOf)(x.data(), 8, exp.data());
    HWY_DYNAMIC_DISPATCH(TanhOf)(x.data(), 8, tanh.data());
    HWY_DYNAMIC_DISPATCH(ErfOf)(x.data(), 8, erf.data());
    using ::testing::ElementsAre;
    using ::testing::IsNan;
    EXPECT_THAT(exp, ElementsAre(inf, 0, 1, 1, inf, 0, 0, IsNan()));
    EXPECT_THAT(tanh, ElementsAre(1, -1, 0, 0, 1, -1, -1, IsNan()));
    EXPECT_THAT(erf, ElementsAre(1, -1, 0, 0, 1, -1, -1, IsNan()));
    EXPECT_TRUE(std::signbit(tanh[3]) && std::signbit(erf[3]));
  });
}

}  // namespace
}  // namespace rw::simd
#endif  // HWY_ONCE
