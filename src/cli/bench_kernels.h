// `ropewalk bench kernels`: its axes as flags.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "bench/matrix.h"

namespace rw {

// Texts of the flags; an empty list leaves the axis as it is.
struct AxisFlags {
  bool full = false;
  std::vector<std::string> ops, variants, heads, dtypes, kv_dtypes, kv_layouts, caches;
  std::vector<int64_t> head_dims, widths, tokens;
};
Result<bench::Axes> AxesOf(const AxisFlags& flags);

}  // namespace rw
