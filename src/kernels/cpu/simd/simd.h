// The simd provider: kernels in Highway vectors, compiled for several instruction sets and chosen
// at run time.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace rw::simd {

inline constexpr std::string_view kProvider = "simd";

std::span<const KernelRow> ElementwiseRows();  // add, mul, scale, silu, gelu, gelu_tanh, softcap
std::span<const KernelRow> RowOpRows();        // embed, kv_write
std::span<const KernelRow> NormRows();         // rms_norm
std::span<const KernelRow> LinearRows();       // linear
std::span<const KernelRow> RopeRows();         // rope
std::span<const KernelRow> AttentionRows();    // attention

}  // namespace rw::simd
