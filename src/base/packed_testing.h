// Random packed weights, for tests.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "base/packed.h"

namespace rw::testing {

// A row of random numbers of the format, scales between 2^-7 and 2^-6.
inline PackedRow RandomPackedRow(const PackedLayout& layout, int64_t k, uint32_t seed) {
  std::mt19937 random(seed);
  const auto number = [&](int low, int high) {
    return static_cast<int8_t>(low + static_cast<int>(random() % (high - low + 1)));
  };
  const auto scale = [&] { return F16{static_cast<uint16_t>(0x2000 + random() % 0x400)}; };
  const int least = layout.is_signed() ? -(1 << (layout.bits - 1)) : 0;
  PackedRow row(layout, k);
  for (int64_t i = 0; i < k; ++i) row.codes[i] = number(least, least + (1 << layout.bits) - 1);
  for (F16& d : row.scales) d = scale();
  for (F16& d : row.mins) d = scale();
  for (int8_t& zero : row.zeros) zero = number(least, least + (1 << layout.bits) - 1);
  for (int8_t& s : row.sub_scales) s = layout.has_min() ? number(0, 63) : number(-128, 127);
  for (int8_t& m : row.sub_mins) m = number(0, 63);
  return row;
}

// A matrix of such rows.
inline std::vector<std::byte> RandomPacked(DType dtype, int64_t rows, int64_t k, uint32_t seed) {
  std::vector<std::byte> data(BytesOf(dtype, rows, k));
  for (int64_t r = 0; r < rows; ++r) {
    const PackedRow row = RandomPackedRow(LayoutOf(dtype), k, seed + static_cast<uint32_t>(r));
    WritePackedRow(dtype, row, k, r, data.data());
  }
  return data;
}

}  // namespace rw::testing
