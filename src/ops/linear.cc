// Matrix products with weights.
#include "ops/ops.h"

namespace rw::ops {

const OpDef kLinear = {
    .name = "linear",
    .signature = "(x: T[n,k], w: W[m,k], b?: B[m]) -> (y: T[n,m])",
    .summary = "x times w transposed, plus b, accumulated in float and rounded once.",
};

}  // namespace rw::ops
