// Packed weights: how matrices of few bits lie in memory. One element is
//
//   w[r,k] = scale * (code - zero) - minimum
//
// where `code` is a whole number of few bits, and the others belong to the group of k it stands in.
// Formats differ in the bits, in the size of a group and in how scales are written:
//
//   i8g32, i4g128, ...  signed codes; a scale, f16, for each group (of 32 or of 128 elements)
//   i8g32z, ...         the same and a zero, i8, for each group
//   q4k                 codes 0..15; units of 256 with d and dmin, f16; for each group of 32 in
//                       them whole numbers s and m of 0..63: scale = d * s, minimum = dmin * m
//   q6k                 signed codes; units of 256 with d, f16; for each group of 16 in them s, i8:
//                       scale = d * s
//
// q4k and q6k hold the numbers of GGUF's q4_K and q6_K (block_q4_K and block_q6_K in llama.cpp's
// ggml-common.h), laid out anew; i8g32 and i4g32 those of q8_0 and q4_0, the formats with zeros
// those of GPTQ and AWQ.
//
// Memory is one stream in the order in which a product reads it, the same on every machine. Rows
// are cut into strips of 16, k into units; the last of each is padded with elements that are 0.
// Strip by strip, unit by unit, the parts that PackedLayout names follow each other: scales, zeros
// or dmin, s, m, each [group or 1][16 rows], then the codes. These stand in cells of 64 bytes,
// which are 32 lanes of 16 bits; lane l belongs to row l / 2 of the strip:
//
//   8 bits: a cell has 4 elements of k; byte b of lane l is element 2 b + l % 2
//   4 bits: a cell has 8; nibble i, from the lowest, of lane l is element 2 i + l % 2
//   6 bits: the four low bits as above, in all cells of the unit; then, in cells of 16 elements,
//           the two high bits: pair i of lane l is of element 2 i + l % 2
//
// so that shifts alone give lanes with two neighbours in k of 16 rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/dtype.h"

namespace rw {

inline constexpr int64_t kStripRows = 16;
inline constexpr int64_t kCellBytes = 64;

enum class PackedScales : uint8_t { kPlain, kZero, kSuper, kSuperMin };

struct PackedLayout {
  int bits;  // of a code
  PackedScales scales;
  int64_t group;  // elements that share a scale
  int64_t unit;   // elements of a group; with kSuper..., of all that share d

  constexpr bool is_signed() const { return scales != PackedScales::kSuperMin; }
  constexpr bool has_zero() const { return scales == PackedScales::kZero; }
  constexpr bool has_sub_scales() const { return scales >= PackedScales::kSuper; }
  constexpr bool has_min() const { return scales == PackedScales::kSuperMin; }
  constexpr int64_t groups() const { return unit / group; }  // in a unit

  // Where parts of a unit begin, in bytes; scales at 0.
  constexpr int64_t zeros() const { return kStripRows * 2; }  // or dmin
  constexpr int64_t sub_scales() const {
    return zeros() + kStripRows * (has_min() ? 2 : has_zero() ? 1 : 0);
  }
  constexpr int64_t sub_mins() const {
    return sub_scales() + (has_sub_scales() ? kStripRows * groups() : 0);
  }
  constexpr int64_t codes() const { return sub_mins() + (has_min() ? kStripRows * groups() : 0); }
  constexpr int64_t high_bits() const { return codes() + kStripRows * unit / 2; }  // of 6
  constexpr int64_t unit_bytes() const { return codes() + kStripRows * unit * bits / 8; }

  constexpr int64_t Units(int64_t k) const { return (k + unit - 1) / unit; }
  constexpr int64_t StripBytes(int64_t k) const { return Units(k) * unit_bytes(); }
  constexpr int64_t Strips(int64_t rows) const { return (rows + kStripRows - 1) / kStripRows; }
  constexpr int64_t Bytes(int64_t rows, int64_t k) const { return Strips(rows) * StripBytes(k); }
};

inline constexpr std::array kPackedTypes = {
    DType::kI8G32,  DType::kI8G128, DType::kI8G32Z,  DType::kI8G128Z, DType::kI4G32,
    DType::kI4G128, DType::kI4G32Z, DType::kI4G128Z, DType::kQ4K,     DType::kQ6K,
};
inline constexpr std::array<PackedLayout, kPackedTypes.size()> kPackedLayouts = {{
    {8, PackedScales::kPlain, 32, 32},
    {8, PackedScales::kPlain, 128, 128},
    {8, PackedScales::kZero, 32, 32},
    {8, PackedScales::kZero, 128, 128},
    {4, PackedScales::kPlain, 32, 32},
    {4, PackedScales::kPlain, 128, 128},
    {4, PackedScales::kZero, 32, 32},
    {4, PackedScales::kZero, 128, 128},
    {4, PackedScales::kSuperMin, 32, 256},
    {6, PackedScales::kSuper, 16, 256},
}};

// The place of a packed type in both tables.
inline size_t PackedIndex(DType packed) {
  const auto i = static_cast<size_t>(packed) - static_cast<size_t>(kPackedTypes[0]);
  RW_CHECK(i < kPackedTypes.size(), "{} is not packed", Name(packed));
  return i;
}
inline const PackedLayout& LayoutOf(DType packed) { return kPackedLayouts[PackedIndex(packed)]; }

// The numbers of one row of k elements, padding included.
struct PackedRow {
  std::vector<int8_t> codes;       // [units * unit]
  std::vector<F16> scales;         // [units]: scale or d
  std::vector<int8_t> zeros;       // [units], or empty
  std::vector<F16> mins;           // [units]: dmin, or empty
  std::vector<int8_t> sub_scales;  // [units * groups]: s, or empty
  std::vector<int8_t> sub_mins;    // [units * groups]: m, or empty

  PackedRow(const PackedLayout& layout, int64_t k);  // all 0

  // Of a group counted through the row. Products of f16 with s and m are exact in float.
  float Scale(const PackedLayout& layout, int64_t group) const;
  float Min(const PackedLayout& layout, int64_t group) const;
  int Zero(const PackedLayout& layout, int64_t group) const;
};

// Writes row `row` of a packed matrix at `data`, which must have held zeros; other rows of the
// strip stay as they are. The inverse.
void WritePackedRow(DType packed, const PackedRow& from, int64_t k, int64_t row, std::byte* data);
void ReadPackedRow(DType packed, const std::byte* data, int64_t k, int64_t row, PackedRow& to);

// Writes a whole strip, all LayoutOf(packed).StripBytes(k) of it, whatever stood there: `rows` are
// its first ones, at most kStripRows; the others become 0. The same bytes as WritePackedRow of
// each, at the speed that quantizing a model while it loads asks for.
void WritePackedStrip(DType packed, std::span<const PackedRow> rows, int64_t k, std::byte* strip);

// The elements of one row, rounded to float; out has k of them.
void UnpackRow(DType packed, const std::byte* data, int64_t k, int64_t row, float* out);

}  // namespace rw
