// Ops that move nothing: the result is operand 0 seen differently.
#include "ops/ops.h"

namespace rw::ops {

const OpDef kSplitHeads = {
    .name = "split_heads",
    .signature = "(x: T[n,c*d]) -> (y: T[n,c,d])",
    .summary = "A row seen as heads of d elements.",
    .attrs = {{"d", AttrDef::Kind::kInt}},
    .memory = Memory::kView,
};

const OpDef kMergeHeads = {
    .name = "merge_heads",
    .signature = "(x: T[n,c,d]) -> (y: T[n,c*d])",
    .summary = "Heads seen as one row.",
    .memory = Memory::kView,
};

const OpDef kSlice = {
    .name = "slice",
    .signature = "(x: T[n,c]) -> (y: T[n,width])",
    .summary = "Elements begin .. begin+width of each row.",
    .attrs = {{"begin", AttrDef::Kind::kInt}, {"width", AttrDef::Kind::kInt}},
    .memory = Memory::kView,
    .view_offset = [](const Attrs& attrs) { return attrs.Int("begin"); },
};

}  // namespace rw::ops
