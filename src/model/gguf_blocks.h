// Rows of GGUF's quantized tensors as the numbers of packed ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/packed.h"
#include "model/gguf_types.h"

namespace rw {

// Sets `to`, which was made for the layout of *type.dtype and for k, to the numbers of one row: the
// blocks of k elements. Exactly the same numbers; type.dtype says that there are such.
void ReadGgufRow(const GgufTensorType& type, std::span<const std::byte> row, int64_t k,
                 PackedRow& to);

}  // namespace rw
