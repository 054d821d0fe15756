// The GPU provider: kernels that build for CUDA and HIP from one source. The operands' memory is
// the device's; a kernel never reads it on the host and never waits for the device.
#pragma once

#include <span>
#include <string_view>

#include "kernels/kernel.h"

namespace rw::gpu {

inline constexpr std::string_view kProvider = "gpu";

std::span<const KernelRow> ElementwiseRows();  // as in kernels/cpu/reference/reference.h
std::span<const KernelRow> RowOpRows();
std::span<const KernelRow> SampleRows();
std::span<const KernelRow> NormRows();
std::span<const KernelRow> LinearRows();
std::span<const KernelRow> FusedLinearRows();  // products with more in the same kernel
std::span<const KernelRow> RopeRows();
std::span<const KernelRow> AttentionRows();

}  // namespace rw::gpu
