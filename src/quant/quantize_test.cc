#include "quant/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "quant/scheme.h"

namespace rw {
namespace {

std::vector<float> Quantized(DType dtype, const std::vector<float>& row) {
  const auto k = static_cast<int64_t>(row.size());
  PackedRow packed(LayoutOf(dtype), k);
  QuantizeRow(dtype, row, packed);
  std::vector<std::byte> data(BytesOf(dtype, 1, k));
  WritePackedRow(dtype, packed, k, 0, data.data());
  std::vector<float> out(row.size());
  UnpackRow(dtype, data.data(), k, 0, out.data());
  return out;
}

std::vector<float> Normal(size_t count, float mean = 0) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(mean, 0.02f);
  std::vector<float> row(count);
  for (float& x : row) x = normal(random);
  return row;
}

double RelativeError(const std::vector<float>& row, const std::vector<float>& other) {
  double error = 0, size = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    error += std::pow(row[i] - other[i], 2);
    size += std::pow(row[i], 2);
  }
  return std::sqrt(error / size);
}

class Schemes : public ::testing::TestWithParam<QuantScheme> {};

// Uniform steps of a normal's range: each way must be about as good as its bits allow.
TEST_P(Schemes, KeepNormalNumbers) {
  const std::vector<float> row = Normal(4096 + 5);
  const PackedLayout& layout = LayoutOf(GetParam().body);
  const double bound = (layout.bits == 8 ? 0.0055 : 0.092) * (layout.group == 128 ? 1.3 : 1.0);
  EXPECT_LT(RelativeError(row, Quantized(GetParam().body, row)), bound);
}

TEST_P(Schemes, KeepZeroAndConstants) {
  for (const float value : {0.0f, 0.125f, -3.0f}) {
    const std::vector<float> row(130, value);
    for (const float x : Quantized(GetParam().body, row)) {
      EXPECT_NEAR(x, value, std::abs(value) * 0.002f);
    }
  }
}

TEST_P(Schemes, SayNotANumber) {
  std::vector<float> row = Normal(256);
  row[3] = std::numeric_limits<float>::infinity();
  const std::vector<float> out = Quantized(GetParam().body, row);
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_TRUE(std::isfinite(out[255]));
}

INSTANTIATE_TEST_SUITE_P(All, Schemes, ::testing::ValuesIn(QuantSchemes()), [](const auto& scheme) {
  std::string name(scheme.param.name);
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(QuantizeRow, EightBitsReachTheLargestNumber) {
  std::vector<float> row = Normal(32);
  row[9] = -0.5f;
  EXPECT_NEAR(Quantized(DType::kI8G32, row)[9], -0.5f, 0.5f * 0x1p-11f);
}

TEST(QuantizeRow, ZerosHelpNumbersOfOneSign) {
  const std::vector<float> row = Normal(1024, 0.1f);
  EXPECT_LT(RelativeError(row, Quantized(DType::kI4G32Z, row)),
            0.7 * RelativeError(row, Quantized(DType::kI4G32, row)));
}

// The search must win something over the scale at which all fits.
TEST(QuantizeRow, FourBitsCutTheLargest) {
  const std::vector<float> row = Normal(4096);
  std::vector<float> plain(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    const auto group = std::span(row).subspan(i / 32 * 32, 32);
    const float most = *std::ranges::max_element(group, {}, [](float x) { return std::abs(x); });
    plain[i] = std::min(std::round(row[i] / (most / -8)), 7.0f) * (most / -8);
  }
  EXPECT_LT(RelativeError(row, Quantized(DType::kI4G32, row)), 0.96 * RelativeError(row, plain));
}

TEST(FindQuantScheme, KnowsItsNames) {
  EXPECT_EQ(FindQuantScheme("int4-g128-zp")->body, DType::kI4G128Z);
  EXPECT_EQ(FindQuantScheme("int3"), nullptr);
}

}  // namespace
}  // namespace rw
