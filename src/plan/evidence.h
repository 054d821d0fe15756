// Defaults that rest on a measurement, as a table. A row names the committed result that shows it.
#pragma once

#include <span>
#include <string_view>

#include "base/dtype.h"
#include "kernels/kernel.h"
#include "plan/knob.h"

namespace rw {

struct Measured {
  Knob knob;
  Device device;
  DType dtype;  // of activations
  bool on;
  std::string_view finding;  // "+1.3 % tokens/s, tales-5m, decode, spread 0.4 %"
  std::string_view result;   // "bench/results/..."
};

std::span<const Measured> MeasuredRows();
const Measured* FindMeasured(Knob knob, Device device, DType dtype);  // nullptr: not measured

}  // namespace rw
