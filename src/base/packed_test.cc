#include "base/packed.h"

#include <gtest/gtest.h>

#include "base/packed_testing.h"

namespace rw {
namespace {

using testing::RandomPackedRow;

class Packed : public ::testing::TestWithParam<DType> {};

TEST_P(Packed, RowsReadBackAsTheyWereWritten) {
  const PackedLayout& layout = LayoutOf(GetParam());
  constexpr int64_t kRows = 35;
  const int64_t k = layout.unit * 2 + 3;
  std::vector<std::byte> data(BytesOf(GetParam(), kRows, k));
  for (int64_t r = 0; r < kRows; ++r) {
    WritePackedRow(GetParam(), RandomPackedRow(layout, k, r), k, r, data.data());
  }
  for (int64_t r = 0; r < kRows; ++r) {
    const PackedRow expected = RandomPackedRow(layout, k, r);
    PackedRow found(layout, k);
    ReadPackedRow(GetParam(), data.data(), k, r, found);
    EXPECT_EQ(found.codes, expected.codes) << r;
    EXPECT_EQ(found.scales, expected.scales) << r;
    EXPECT_EQ(found.zeros, expected.zeros) << r;
    EXPECT_EQ(found.mins, expected.mins) << r;
    EXPECT_EQ(found.sub_scales, expected.sub_scales) << r;
    EXPECT_EQ(found.sub_mins, expected.sub_mins) << r;
  }
}

TEST_P(Packed, StripsAreTheBytesOfTheirRows) {
  const PackedLayout& layout = LayoutOf(GetParam());
  const int64_t k = layout.unit * 3 - 5;
  for (const int64_t count : {int64_t{16}, int64_t{11}}) {
    std::vector<PackedRow> rows;
    std::vector<std::byte> expected(layout.StripBytes(k));
    for (int64_t r = 0; r < count; ++r) {
      rows.push_back(RandomPackedRow(layout, k, 100 + r));
      WritePackedRow(GetParam(), rows.back(), k, r, expected.data());
    }
    std::vector<std::byte> found(layout.StripBytes(k), std::byte{0xa5});
    WritePackedStrip(GetParam(), rows, k, found.data());
    EXPECT_EQ(found, expected) << count;
  }
}

// What the comment of packed.h says of lanes and bits, taken at its word.
TEST(PackedCells, StandAsDescribed) {
  const PackedLayout& layout = LayoutOf(DType::kI4G32);
  PackedRow row(layout, 32);
  row.codes[11] = -3;  // cell 1, element 3 of it: nibble 1 of lane 2 * row + 1
  std::vector<std::byte> data(layout.Bytes(16, 32));
  WritePackedRow(DType::kI4G32, row, 32, 5, data.data());
  const int64_t lane = layout.codes() + kCellBytes + (2 * 5 + 1) * 2;
  for (int64_t i = layout.codes(); i < std::ssize(data); ++i) {
    EXPECT_EQ(static_cast<int>(data[i]), i == lane ? 0xd0 : 0) << i;
  }
}

TEST(PackedCells, SixBitsStandInTwoParts) {
  const PackedLayout& layout = LayoutOf(DType::kQ6K);
  PackedRow row(layout, 256);
  row.codes[35] = -27;  // 0b100101: low 0101, high 10
  std::vector<std::byte> data(layout.Bytes(16, 256));
  WritePackedRow(DType::kQ6K, row, 256, 0, data.data());
  // Element 35: low in cell 4, element 3, nibble 1 of lane 1; high in cell 2, pair 1 of lane 1.
  EXPECT_EQ(static_cast<int>(data[layout.codes() + 4 * kCellBytes + 2]), 0x50);
  EXPECT_EQ(static_cast<int>(data[layout.high_bits() + 2 * kCellBytes + 2]), 0b1000);
}

TEST(PackedBytes, AreThoseOfTheFormats) {  // per 16 rows of 256, by hand
  EXPECT_EQ(BytesOf(DType::kI8G32, 16, 256), 16 * (256 + 8 * 2));
  EXPECT_EQ(BytesOf(DType::kI4G32, 16, 256), 16 * (128 + 8 * 2));
  EXPECT_EQ(BytesOf(DType::kI4G128Z, 16, 256), 16 * (128 + 2 * 3));
  EXPECT_EQ(BytesOf(DType::kQ4K, 16, 256), 16 * 148);  // 144 of block_q4_K, s and m of 8 bits
  EXPECT_EQ(BytesOf(DType::kQ6K, 16, 256), 16 * 210);
  EXPECT_EQ(BytesOf(DType::kI4G32, 17, 33), 32 * (32 + 2 * 2));
}

TEST(PackedRow, UnpacksToItsElements) {
  const PackedLayout& layout = LayoutOf(DType::kQ4K);
  PackedRow row(layout, 256);
  row.scales[0] = RoundTo<F16>(0.5f);
  row.mins[0] = RoundTo<F16>(0.25f);
  row.sub_scales[1] = 3;
  row.sub_mins[1] = 7;
  row.codes[33] = 15;
  std::vector<std::byte> data(layout.Bytes(1, 256));
  WritePackedRow(DType::kQ4K, row, 256, 0, data.data());
  std::vector<float> out(256);
  UnpackRow(DType::kQ4K, data.data(), 256, 0, out.data());
  EXPECT_EQ(out[33], 0.5f * 3 * 15 - 0.25f * 7);
  EXPECT_EQ(out[32], -0.25f * 7);
  EXPECT_EQ(out[0], 0);
}

INSTANTIATE_TEST_SUITE_P(Types, Packed, ::testing::ValuesIn(kPackedTypes),
                         [](const auto& type) { return std::string(Name(type.param)); });

}  // namespace
}  // namespace rw
