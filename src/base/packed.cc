#include "base/packed.h"

#include <cstring>

namespace rw {
namespace {

// Where the code of element i of a unit stands: its lowest bits, in one 16-bit lane.
struct Place {
  int64_t byte;  // from the beginning of the lane's part
  int shift;
};
Place PlaceOf(int bits, int64_t i, int64_t lane_row) {
  const int64_t per_cell = 2 * (16 / bits);  // elements: pairs, one for each code of a lane
  const int64_t in_cell = i % per_cell;
  return {i / per_cell * kCellBytes + (2 * lane_row + in_cell % 2) * 2,
          static_cast<int>(in_cell / 2) * bits};
}

void PutBits(std::byte* part, int bits, int64_t i, int64_t lane_row, int code) {
  const Place place = PlaceOf(bits, i, lane_row);
  uint16_t lane = 0;
  std::memcpy(&lane, part + place.byte, sizeof(lane));
  lane |= static_cast<uint16_t>((code & ((1 << bits) - 1)) << place.shift);
  std::memcpy(part + place.byte, &lane, sizeof(lane));
}

int GetBits(const std::byte* part, int bits, int64_t i, int64_t lane_row) {
  const Place place = PlaceOf(bits, i, lane_row);
  uint16_t lane = 0;
  std::memcpy(&lane, part + place.byte, sizeof(lane));
  return (lane >> place.shift) & ((1 << bits) - 1);
}

// Entry `entry` of a part that holds a T for each of the strip's rows.
template <class T>
void Put(std::byte* part, int64_t entry, int64_t lane_row, T value) {
  std::memcpy(part + (entry * kStripRows + lane_row) * sizeof(T), &value, sizeof(T));
}
template <class T>
void Get(const std::byte* part, int64_t entry, int64_t lane_row, T& value) {
  std::memcpy(&value, part + (entry * kStripRows + lane_row) * sizeof(T), sizeof(T));
}

// Calls visit(part, entry, value) for each number of unit u but the codes.
template <class Bytes, class Row, class Visit>
void ForScales(const PackedLayout& layout, Bytes* unit, Row& row, int64_t u, const Visit& visit) {
  visit(unit, 0, row.scales[u]);
  if (layout.has_zero()) visit(unit + layout.zeros(), 0, row.zeros[u]);
  if (layout.has_min()) visit(unit + layout.zeros(), 0, row.mins[u]);
  for (int64_t g = 0; layout.has_sub_scales() && g < layout.groups(); ++g) {
    visit(unit + layout.sub_scales(), g, row.sub_scales[u * layout.groups() + g]);
    if (layout.has_min()) visit(unit + layout.sub_mins(), g, row.sub_mins[u * layout.groups() + g]);
  }
}

// A row's two lanes of one cell, made of its codes: as many as the cell has, one in each byte, the
// first in the lowest. Even elements go to the low lane.
uint32_t LanesOf8Bits(uint32_t codes) {
  return (codes & 0xff0000ffu) | (codes & 0xff00u) << 8 | (codes >> 8 & 0xff00u);
}
uint32_t LanesOf4Bits(uint64_t codes) {
  const auto gathered = [](uint64_t nibbles) {  // from bits 0, 16, 32 and 48
    nibbles &= 0x000f000f000f000fu;
    nibbles = (nibbles | nibbles >> 12) & 0x000000ff000000ffu;
    return static_cast<uint32_t>((nibbles | nibbles >> 24) & 0xffffu);
  };
  return gathered(codes) | gathered(codes >> 8) << 16;
}
// The two bits above the lowest four, of half of a cell.
uint32_t LanesOfHighBits(uint64_t codes) {
  const auto gathered = [](uint64_t pairs) {  // from bits 4, 20, 36 and 52
    pairs = pairs >> 4 & 0x0003000300030003u;
    pairs = (pairs | pairs >> 14) & 0x0000000f0000000fu;
    return static_cast<uint32_t>((pairs | pairs >> 28) & 0xffu);
  };
  return gathered(codes) | gathered(codes >> 8) << 16;
}

template <class Word>
Word LoadCodes(const int8_t* codes) {
  Word word;
  std::memcpy(&word, codes, sizeof(word));
  return word;
}

// One row's codes of one unit; `lanes` is where the row's lanes of the unit's first cell stand.
void PutCodes8(const int8_t* codes, int64_t unit, std::byte* lanes) {
  for (int64_t i = 0; i < unit; i += 4, lanes += kCellBytes) {
    const uint32_t both = LanesOf8Bits(LoadCodes<uint32_t>(codes + i));
    std::memcpy(lanes, &both, sizeof(both));
  }
}
void PutCodes4(const int8_t* codes, int64_t unit, std::byte* lanes) {
  for (int64_t i = 0; i < unit; i += 8, lanes += kCellBytes) {
    const uint32_t both = LanesOf4Bits(LoadCodes<uint64_t>(codes + i));
    std::memcpy(lanes, &both, sizeof(both));
  }
}
void PutHighBits(const int8_t* codes, int64_t unit, std::byte* lanes) {
  for (int64_t i = 0; i < unit; i += 16, lanes += kCellBytes) {
    const uint32_t both = LanesOfHighBits(LoadCodes<uint64_t>(codes + i)) |
                          LanesOfHighBits(LoadCodes<uint64_t>(codes + i + 8)) << 8;
    std::memcpy(lanes, &both, sizeof(both));
  }
}

}  // namespace

PackedRow::PackedRow(const PackedLayout& layout, int64_t k) {
  const auto units = static_cast<size_t>(layout.Units(k));
  codes.resize(units * layout.unit);
  scales.resize(units);
  if (layout.has_zero()) zeros.resize(units);
  if (layout.has_min()) mins.resize(units);
  if (layout.has_sub_scales()) sub_scales.resize(units * layout.groups());
  if (layout.has_min()) sub_mins.resize(units * layout.groups());
}

float PackedRow::Scale(const PackedLayout& layout, int64_t group) const {
  const float scale = ToFloat(scales[group / layout.groups()]);
  return layout.has_sub_scales() ? scale * static_cast<float>(sub_scales[group]) : scale;
}

float PackedRow::Min(const PackedLayout& layout, int64_t group) const {
  if (!layout.has_min()) return 0;
  return ToFloat(mins[group / layout.groups()]) * static_cast<float>(sub_mins[group]);
}

int PackedRow::Zero(const PackedLayout& layout, int64_t group) const {
  return layout.has_zero() ? zeros[group] : 0;
}

void WritePackedRow(DType packed, const PackedRow& from, int64_t k, int64_t row, std::byte* data) {
  const PackedLayout& layout = LayoutOf(packed);
  const int64_t lane_row = row % kStripRows;
  std::byte* unit = data + row / kStripRows * layout.StripBytes(k);
  for (int64_t u = 0; u < layout.Units(k); ++u, unit += layout.unit_bytes()) {
    ForScales(layout, unit, from, u, [&](std::byte* part, int64_t entry, auto value) {
      Put(part, entry, lane_row, value);
    });
    for (int64_t i = 0; i < layout.unit; ++i) {
      const int code = from.codes[u * layout.unit + i];
      PutBits(unit + layout.codes(), layout.bits == 8 ? 8 : 4, i, lane_row, code);
      if (layout.bits == 6) PutBits(unit + layout.high_bits(), 2, i, lane_row, code >> 4);
    }
  }
}

void WritePackedStrip(DType packed, std::span<const PackedRow> rows, int64_t k, std::byte* strip) {
  const PackedLayout& layout = LayoutOf(packed);
  const auto count = static_cast<int64_t>(rows.size());
  RW_CHECK(count <= kStripRows, "{} rows", count);
  if (count < kStripRows) std::memset(strip, 0, layout.StripBytes(k));
  std::byte* unit = strip;
  for (int64_t u = 0; u < layout.Units(k); ++u, unit += layout.unit_bytes()) {
    for (int64_t r = 0; r < count; ++r) {
      ForScales(layout, unit, rows[r], u,
                [&](std::byte* part, int64_t entry, auto value) { Put(part, entry, r, value); });
      const int8_t* codes = rows[r].codes.data() + u * layout.unit;
      const int64_t lanes = r * kCellBytes / kStripRows;
      const auto put = layout.bits == 8 ? PutCodes8 : PutCodes4;
      put(codes, layout.unit, unit + layout.codes() + lanes);
      if (layout.bits == 6) PutHighBits(codes, layout.unit, unit + layout.high_bits() + lanes);
    }
  }
}

void ReadPackedRow(DType packed, const std::byte* data, int64_t k, int64_t row, PackedRow& to) {
  const PackedLayout& layout = LayoutOf(packed);
  const int64_t lane_row = row % kStripRows;
  const int sign = layout.is_signed() ? 1 << (layout.bits - 1) : 0;
  const std::byte* unit = data + row / kStripRows * layout.StripBytes(k);
  for (int64_t u = 0; u < layout.Units(k); ++u, unit += layout.unit_bytes()) {
    ForScales(layout, unit, to, u, [&](const std::byte* part, int64_t entry, auto& value) {
      Get(part, entry, lane_row, value);
    });
    for (int64_t i = 0; i < layout.unit; ++i) {
      int code = GetBits(unit + layout.codes(), layout.bits == 8 ? 8 : 4, i, lane_row);
      if (layout.bits == 6) code |= GetBits(unit + layout.high_bits(), 2, i, lane_row) << 4;
      to.codes[u * layout.unit + i] = static_cast<int8_t>((code ^ sign) - sign);
    }
  }
}

void UnpackRow(DType packed, const std::byte* data, int64_t k, int64_t row, float* out) {
  const PackedLayout& layout = LayoutOf(packed);
  PackedRow numbers(layout, k);
  ReadPackedRow(packed, data, k, row, numbers);
  for (int64_t i = 0; i < k; ++i) {
    const int64_t group = i / layout.group;
    const auto whole = static_cast<float>(numbers.codes[i] - numbers.Zero(layout, group));
    out[i] = numbers.Scale(layout, group) * whole - numbers.Min(layout, group);
  }
}

}  // namespace rw
