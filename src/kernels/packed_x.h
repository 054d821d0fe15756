// What a product with packed weights (base/packed.h) makes of x first, and what it then computes.
//
// x is rounded to whole numbers of 16 bits, in groups of 32 with a scale of their own:
//
//   scale = max |x| / 32767,  whole = round(x * (32767 / max |x|)),  half to even
//
// which is within 2^-16 of the group's largest element: finer than bf16 holds x itself. So the sums
// of a group are sums of whole numbers, exact in 32 bits whatever their order, and y is
//
//   y = 0;  for each group of x, in order, for each group of the weights in it (at most two):
//     y = fma(sum of whole * (code - zero), weight scale * x scale, y)
//     y = fma(-minimum, x scale * sum of whole, y)      where the format has minima
//
// then plus the bias and rounded once. All providers and machines give the same bits.
#pragma once

#include <cstdint>

namespace rw {

inline constexpr int64_t kXGroup = 32;
inline constexpr float kXWhole = 32767.0f;
// A group whose largest element is below this is taken as 0: 32767 / max would overflow. A group
// with an element that is not finite has scale NaN and whole numbers 0, so y is NaN.
inline constexpr float kXLeast = 0x1p-100f;

}  // namespace rw
