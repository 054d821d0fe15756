#include "ops/ops.h"

#include <array>

namespace rw::ops {
namespace {

constexpr std::array kAll = {
    &kEmbed,
    &kGatherRows,
    &kSample,
    &kScale,
    &kAdd,
    &kMul,
    &kSilu,
    &kGelu,
    &kGeluTanh,
    &kSoftcap,
    &kRmsNorm,
    &kLinear,
    &kRope,
    &kKvWrite,
    &kAttention,
    &kSiluMul,
    &kGeluMul,
    &kGeluTanhMul,
    &kAddRmsNorm,
    &kLinear2,
    &kLinear3,
    &kRopeKvWrite,
    &kQkNormRope,
    &kQkNormRopeKvWrite,
    &kLinearAdd,
    &kLinear2ActMul,
    &kLinear3RopeKvWrite,
    &kRmsNormLinear,
    &kRmsNormLinear2,
    &kRmsNormLinear3,
    &kRmsNormLinear2ActMul,
    &kRmsNormLinear3RopeKvWrite,
    &kSplitHeads,
    &kMergeHeads,
    &kSlice,
};

}  // namespace

std::span<const OpDef* const> All() { return kAll; }

const OpDef* Find(std::string_view name) {
  for (const OpDef* op : kAll) {
    if (op->name == name) return op;
  }
  return nullptr;
}

}  // namespace rw::ops
