// The simd provider: kernels in Highway vectors, compiled for several instruction sets and chosen
// at run time.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace rw::simd {

inline constexpr std::string_view kProvider = "simd";

// add, mul, scale, silu, gelu, gelu_tanh, softcap; silu_mul, gelu_mul, gelu_tanh_mul
std::span<const KernelRow> ElementwiseRows();
std::span<const KernelRow> RowOpRows();      // embed, sample, kv_write
std::span<const KernelRow> NormRows();       // rms_norm, add_rms_norm
std::span<const KernelRow> LinearRows();     // linear, linear2, linear3
std::span<const KernelRow> RopeRows();       // rope, rope_kv_write, qk_norm_rope(_kv_write)
std::span<const KernelRow> AttentionRows();  // attention
void PackedLinear(const KernelCall& call);   // with packed weights; LinearRows() hand them on
extern const KernelRow kNativeRow;           // programs (native/program.h)

}  // namespace rw::simd
