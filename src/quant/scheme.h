// What --quantization may ask for: types of few bits for the weights of products.
#pragma once

#include <span>
#include <string_view>

#include "base/dtype.h"

namespace rw {

struct QuantScheme {
  std::string_view name;
  DType body;  // of the layers' products
  // Of the head, and of the embedding where that is the head too. Its errors reach the logits as
  // they are, so it keeps 8 bits.
  DType head;
};

// Names are BITS[-g128][-zp]: int8, int4-g128-zp, ...; groups are of 32 where nothing is said.
std::span<const QuantScheme> QuantSchemes();
const QuantScheme* FindQuantScheme(std::string_view name);  // nullptr: none

}  // namespace rw
