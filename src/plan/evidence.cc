#include "plan/evidence.h"

#include <vector>

namespace rw {
namespace {

const std::vector<Measured>& Rows() {
  static const std::vector<Measured> rows = {};
  return rows;
}

}  // namespace

std::span<const Measured> MeasuredRows() { return Rows(); }

const Measured* FindMeasured(Knob knob, Device device, DType dtype) {
  for (const Measured& row : Rows()) {
    if (row.knob == knob && row.device == device && row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace rw
