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
