// Element types and the scalar conversions between them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rw {

// The second line are packed types: weights of few bits, several in a byte (base/packed.h).
enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kI32,
  kF8E4M3,
  kI8G32,
  kI8G128,
  kI8G32Z,
  kI8G128Z,
  kI4G32,
  kI4G128,
  kI4G32Z,
  kI4G128Z,
  kQ4K,
  kQ6K
};

bool IsPacked(DType dtype);
size_t SizeOf(DType dtype);  // bytes per element; not of packed types
// Bytes of a dense matrix: of a packed one, all of it, padding included.
int64_t BytesOf(DType dtype, int64_t rows, int64_t width);
// "f32", "f16", "bf16", "i32", "f8e4m3", "i4g32", ...: the spelling of the IR
std::string_view Name(DType dtype);
std::optional<DType> ParseDType(std::string_view name);  // the inverse of Name

// Storage types. Arithmetic is done in float; these only carry bits.
struct BF16 {
  uint16_t bits;
  bool operator==(const BF16&) const = default;
};
struct F16 {
  uint16_t bits;
  bool operator==(const F16&) const = default;
};
// OCP fp8 with 4 bits of exponent (bias 7) and 3 of mantissa: no infinity, largest 448. KV caches.
struct F8E4M3 {
  uint8_t bits;
  bool operator==(const F8E4M3&) const = default;
};

inline float ToFloat(float x) { return x; }
inline float ToFloat(BF16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
float ToFloat(F16 x);
float ToFloat(F8E4M3 x);

// Rounds to the nearest T, ties to even; NaN stays NaN, overflow becomes infinity, or the largest
// number where there is none (f8e4m3, infinities included).
template <class T>
T RoundTo(float x);
template <>
inline float RoundTo<float>(float x) {
  return x;
}
template <>
inline BF16 RoundTo<BF16>(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}
template <>
F16 RoundTo<F16>(float x);
template <>
F8E4M3 RoundTo<F8E4M3>(float x);

template <class T>
inline constexpr DType kDTypeOf = DType::kF32;
template <>
inline constexpr DType kDTypeOf<F16> = DType::kF16;
template <>
inline constexpr DType kDTypeOf<BF16> = DType::kBF16;
template <>
inline constexpr DType kDTypeOf<int32_t> = DType::kI32;
template <>
inline constexpr DType kDTypeOf<F8E4M3> = DType::kF8E4M3;

}  // namespace rw
