// Projections of one x as operands of a larger call.
#pragma once

#include <optional>
#include <vector>

#include "passes/matcher.h"

namespace rw {

struct Products {
  ValueId x;
  std::vector<ValueId> weights;
  std::vector<ValueId> biases;  // one for each weight, or none
};

// The linears as products of one x; nothing if they read different x or only some have a bias.
std::optional<Products> ProductsOf(const Matcher& m, const std::vector<int>& linears);

}  // namespace rw
