#include "base/dtype.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "base/packed.h"

namespace rw {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  size_t size;  // bytes per element; 0: packed
};
constexpr std::array kRows = {
    Row{DType::kF32, "f32", 4},         Row{DType::kF16, "f16", 2},
    Row{DType::kBF16, "bf16", 2},       Row{DType::kI32, "i32", 4},
    Row{DType::kF8E4M3, "f8e4m3", 1},   Row{DType::kI8G32, "i8g32", 0},
    Row{DType::kI8G128, "i8g128", 0},   Row{DType::kI8G32Z, "i8g32z", 0},
    Row{DType::kI8G128Z, "i8g128z", 0}, Row{DType::kI4G32, "i4g32", 0},
    Row{DType::kI4G128, "i4g128", 0},   Row{DType::kI4G32Z, "i4g32z", 0},
    Row{DType::kI4G128Z, "i4g128z", 0}, Row{DType::kQ4K, "q4k", 0},
    Row{DType::kQ6K, "q6k", 0},
};

const Row& RowOf(DType dtype) {
  const auto i = static_cast<size_t>(dtype);
  RW_CHECK(i < kRows.size() && kRows[i].dtype == dtype);
  return kRows[i];
}

}  // namespace

bool IsPacked(DType dtype) { return RowOf(dtype).size == 0; }

size_t SizeOf(DType dtype) {
  RW_CHECK(!IsPacked(dtype), "{} has no bytes per element", Name(dtype));
  return RowOf(dtype).size;
}

int64_t BytesOf(DType dtype, int64_t rows, int64_t width) {
  if (IsPacked(dtype)) return LayoutOf(dtype).Bytes(rows, width);
  return rows * width * static_cast<int64_t>(SizeOf(dtype));
}
std::string_view Name(DType dtype) { return RowOf(dtype).name; }

std::optional<DType> ParseDType(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

float ToFloat(F16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = (x.bits >> 10) & 0x1fu;
  const uint32_t mantissa = x.bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

template <>
F16 RoundTo<F16>(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};   // NaN
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds past max
  if (magnitude < 0x38800000u) {  // subnormal: count units of 2^-24, ties to even
    const float units = std::bit_cast<float>(magnitude) * 16777216.0f;
    return {static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(units)))};
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return {static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13))};
}

float ToFloat(F8E4M3 x) {
  const float sign = (x.bits & 0x80u) != 0 ? -1.0f : 1.0f;
  const uint32_t magnitude = x.bits & 0x7fu;
  if (magnitude == 0x7f) return std::bit_cast<float>(sign < 0 ? 0xfff00000u : 0x7ff00000u);
  const uint32_t exponent = magnitude >> 3;
  const auto mantissa = static_cast<float>(magnitude & 7u);
  if (exponent == 0) return sign * std::ldexp(mantissa, -9);
  return sign * std::ldexp(8.0f + mantissa, static_cast<int>(exponent) - 10);
}

template <>
F8E4M3 RoundTo<F8E4M3>(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {0x7f};  // NaN, as GPUs convert it
  const float absolute = std::min(std::bit_cast<float>(magnitude), 448.0f);
  if (absolute < 0x1p-6f) {  // subnormal: count units of 2^-9, ties to even
    return {static_cast<uint8_t>(sign | static_cast<uint8_t>(std::nearbyint(absolute * 512.0f)))};
  }
  const auto value = std::bit_cast<uint32_t>(absolute);
  const uint32_t rounded = value + 0x7ffffu + ((value >> 20) & 1u);  // may carry to the next power
  return {static_cast<uint8_t>(sign | ((rounded - 0x3c000000u) >> 20))};
}

}  // namespace rw
