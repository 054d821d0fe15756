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
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kI32}) {
    EXPECT_EQ(ParseDType(Name(dtype)), dtype);
  }
  EXPECT_FALSE(ParseDType("f31"));
}

}  // namespace
}  // namespace rw
