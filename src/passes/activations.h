// The activations of a gated MLP, and what each makes with the product that follows it.
#pragma once

#include <array>

#include "ops/ops.h"

namespace rw {

struct Activation {
  const OpDef* op;
  const OpDef* gated;  // act(gate) * up
};
inline constexpr std::array kActivations = {Activation{&ops::kSilu, &ops::kSiluMul},
                                            Activation{&ops::kGelu, &ops::kGeluMul},
                                            Activation{&ops::kGeluTanh, &ops::kGeluTanhMul}};

}  // namespace rw
