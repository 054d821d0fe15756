// rms_norm of q and of k before a rope, which two passes look for.
#pragma once

#include <optional>

#include "passes/matcher.h"

namespace rw {

struct QkNorm {
  int q, k;     // the two norms
  Attrs attrs;  // eps, style of the norms; layout of the rope
};

// The norms of the heads that node `rope` turns. Nothing, and nothing declined, if there are none;
// declined for `layer` if there are some of another kind.
std::optional<QkNorm> FindQkNorm(const Matcher& m, int rope, Matches& matches);

}  // namespace rw
