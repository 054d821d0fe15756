// Tables of which a call reads a few rows.
#pragma once

#include <cstdint>

#include "ir/op.h"

namespace rw::ops {

// OpDef::rows_read of an op that reads one row of operand kTable for each of its n tokens.
template <int kTable>
int64_t PicksRows(int index, const DimNumber& dim) {
  return index == kTable ? dim("n") : -1;
}

}  // namespace rw::ops
