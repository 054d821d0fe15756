// The ops of a decoder model, each defined by one row in the file of its family.
//
// Spelling of dims: n tokens of a step, h hidden size, hq query heads, hk kv heads, d head dim,
// r rows gathered, v size of the vocabulary, s sequences, s1 = s + 1, p pages in a row of the block
// table, m rows of the cos/sin table, e width of a cos/sin row.
#pragma once

#include <span>
#include <string_view>

#include "ir/op.h"

namespace rw::ops {

// Embedding and rows.
extern const OpDef kEmbed, kGatherRows, kSample;
// One row in, one row out.
extern const OpDef kScale, kAdd, kMul, kSilu, kGelu, kGeluTanh, kSoftcap, kRmsNorm;
// Products.
extern const OpDef kLinear;
// Position and cache.
extern const OpDef kRope, kKvWrite, kAttention;
// Fused: each equals its native composition bit for bit.
extern const OpDef kSiluMul, kGeluMul, kGeluTanhMul, kAddRmsNorm, kLinear2, kLinear3;
extern const OpDef kRopeKvWrite, kQkNormRope, kQkNormRopeKvWrite;
// Products with more in the same call.
extern const OpDef kLinearAdd, kLinear2ActMul, kLinear3RopeKvWrite;
extern const OpDef kRmsNormLinear, kRmsNormLinear2, kRmsNormLinear3;
extern const OpDef kRmsNormLinear2ActMul, kRmsNormLinear3RopeKvWrite;
// Views.
extern const OpDef kSplitHeads, kMergeHeads, kSlice;

std::span<const OpDef* const> All();
const OpDef* Find(std::string_view name);  // nullptr if there is none

}  // namespace rw::ops
