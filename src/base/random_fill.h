// Random numbers in any float type without a generator's state: the same on every device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace rw {

// Random signs and mantissas with a fixed exponent: numbers of magnitude 2^-6 to 2^-5, which keep
// sums over thousands of terms in range.
struct RandomPattern {
  uint64_t keep;      // bits of a word that are random
  uint64_t exponent;  // bits that are set
};
constexpr RandomPattern RandomPatternOf(DType dtype) {
  if (dtype == DType::kF16) return {0x83ff83ff83ff83ff, 0x2400240024002400};
  if (dtype == DType::kF32) return {0x807fffff807fffff, 0x3c8000003c800000};
  if (dtype == DType::kF8E4M3) return {0x8787878787878787, 0x0808080808080808};
  return {0x807f807f807f807f, 0x3c803c803c803c80};  // bf16
}

// The i-th word of 8 bytes of a sequence (splitmix64).
constexpr uint64_t RandomWord(uint64_t seed, uint64_t i) {
  uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Writes `count` numbers of a float type.
void RandomFill(DType dtype, std::byte* to, int64_t count, uint64_t seed);

}  // namespace rw
