#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rw {
namespace {

TEST(DType, EveryF16RoundTripsThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const F16 x{static_cast<uint16_t>(bits)};
    const float f = ToFloat(x);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(ToFloat(RoundTo<F16>(f))));
    } else {
      EXPECT_EQ(RoundTo<F16>(f).bits, x.bits) << bits;
    }
  }
}

TEST(DType, EveryBF16RoundTripsThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BF16 x{static_cast<uint16_t>(bits)};
    const float f = ToFloat(x);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(ToFloat(RoundTo<BF16>(f))));
    } else {
      EXPECT_EQ(RoundTo<BF16>(f).bits, x.bits) << bits;
    }
  }
}

TEST(DType, EveryF8E4M3RoundTripsThroughFloat) {
  for (uint32_t bits = 0; bits < 0x100; ++bits) {
    const F8E4M3 x{static_cast<uint8_t>(bits)};
    const float f = ToFloat(x);
    EXPECT_EQ(std::isnan(f), (bits & 0x7f) == 0x7f);
    EXPECT_EQ(std::signbit(f), bits >= 0x80);
    EXPECT_EQ(RoundTo<F8E4M3>(f).bits, bits == 0xff ? 0x7f : bits) << bits;  // one NaN
  }
  EXPECT_EQ(ToFloat(F8E4M3{0x01}), 0x1p-9f);  // smallest subnormal
  EXPECT_EQ(ToFloat(F8E4M3{0x08}), 0x1p-6f);  // smallest normal
  EXPECT_EQ(ToFloat(F8E4M3{0x38}), 1.0f);
  EXPECT_EQ(ToFloat(F8E4M3{0xfe}), -448.0f);
}

// The code of the number nearest to |x|, the even one of two equally near: by trying all.
uint8_t NearestF8E4M3(float x) {
  const double absolute = std::abs(static_cast<double>(x));
  uint8_t best = 0;
  for (uint8_t code = 1; code < 0x7f; ++code) {
    const double found = std::abs(ToFloat(F8E4M3{best}) - absolute);
    const double here = std::abs(ToFloat(F8E4M3{code}) - absolute);
    if (here < found || (here == found && code % 2 == 0)) best = code;
  }
  return best;
}

void ExpectNearestF8E4M3(float x) {
  const uint8_t nearest = NearestF8E4M3(x);
  ASSERT_EQ(RoundTo<F8E4M3>(x).bits, std::signbit(x) ? nearest | 0x80 : nearest) << x;
}

TEST(DType, F8E4M3IsTheNearestOfAllCodes) {
  for (uint32_t code = 0; code < 0x7e; ++code) {  // every tie, and what lies beside it
    const float below = ToFloat(F8E4M3{static_cast<uint8_t>(code)});
    const float tie = (below + ToFloat(F8E4M3{static_cast<uint8_t>(code + 1)})) / 2;
    for (const float x : {tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 448.0f)}) {
      ExpectNearestF8E4M3(x);
      ExpectNearestF8E4M3(-x);
    }
  }
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 0x10007) {  // numbers of every size
    const auto x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(x)) ExpectNearestF8E4M3(x);
  }
}

TEST(DType, F8E4M3SaturatesAndKeepsNan) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float x : {448.0f, 463.9f, 464.0f, 465.0f, 480.0f, 1e30f, inf}) {
    EXPECT_EQ(RoundTo<F8E4M3>(x).bits, 0x7e) << x;
    EXPECT_EQ(RoundTo<F8E4M3>(-x).bits, 0xfe) << x;
  }
  for (const uint32_t nan : {0x7fc00000u, 0x7f800001u, 0xffc00000u, 0xffffffffu}) {
    EXPECT_EQ(RoundTo<F8E4M3>(std::bit_cast<float>(nan)).bits, 0x7f);
  }
  EXPECT_EQ(RoundTo<F8E4M3>(-0.0f).bits, 0x80);
  EXPECT_EQ(RoundTo<F8E4M3>(0x1p-149f).bits, 0);
  EXPECT_EQ(RoundTo<F8E4M3>(0x1p-10f).bits, 0);            // half the smallest: to even
  EXPECT_EQ(RoundTo<F8E4M3>(0x1.8p-9f).bits, 2);           // between two subnormals: to even
  EXPECT_EQ(RoundTo<F8E4M3>(0x1p-6f - 0x1p-10f).bits, 8);  // up into the normals
}

TEST(DType, RoundsHalfwayToEven) {
  EXPECT_EQ(RoundTo<BF16>(1.0f + 0x1p-8f).bits, 0x3f80);            // tie, down to even
  EXPECT_EQ(RoundTo<BF16>(1.0f + 0x1p-7f + 0x1p-8f).bits, 0x3f82);  // tie, up to even
  EXPECT_EQ(RoundTo<BF16>(1.0f + 0x1p-8f + 0x1p-20f).bits, 0x3f81);
  EXPECT_EQ(RoundTo<F16>(1.0f + 0x1p-11f).bits, 0x3c00);
  EXPECT_EQ(RoundTo<F16>(65519.0f).bits, 0x7bff);  // largest that still rounds to the maximum
  EXPECT_EQ(RoundTo<F16>(65520.0f).bits, 0x7c00);
  EXPECT_EQ(RoundTo<F16>(0x1p-25f).bits, 0);  // half the smallest subnormal: to even
  EXPECT_EQ(RoundTo<BF16>(std::numeric_limits<float>::max()).bits, 0x7f80);
}

TEST(DType, NamesRoundTrip) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32, DType::kF8E4M3}) {
    EXPECT_EQ(ParseDType(Name(dtype)), dtype);
  }
  EXPECT_FALSE(ParseDType("f31"));
}

}  // namespace
}  // namespace rw
