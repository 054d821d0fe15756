// Numbers rounded to few bits.
#pragma once

#include <span>

#include "base/packed.h"

namespace rw {

// Rounds one row to a type of 8 or 4 bits with or without zeros. In each group, of some scales near
// the one at which the largest number just fits, the one with the least sum of squared errors is
// taken (at 8 bits: that one); with it, each number goes to the nearest code. A group with a number
// that is not finite gets scale NaN. Elements behind the row's end are 0.
void QuantizeRow(DType packed, std::span<const float> row, PackedRow& to);

}  // namespace rw
