#include "base/random_fill.h"

#include <algorithm>
#include <cstring>

namespace rw {

void RandomFill(DType dtype, std::byte* to, int64_t count, uint64_t seed) {
  const RandomPattern pattern = RandomPatternOf(dtype);
  const int64_t bytes = count * static_cast<int64_t>(SizeOf(dtype));
  for (int64_t at = 0; at < bytes; at += 8) {
    const uint64_t word =
        (RandomWord(seed, static_cast<uint64_t>(at / 8)) & pattern.keep) | pattern.exponent;
    std::memcpy(to + at, &word, static_cast<size_t>(std::min<int64_t>(8, bytes - at)));
  }
}

}  // namespace rw
