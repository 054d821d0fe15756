// The text that every generated GPU source begins with.
#pragma once

#include <string_view>

namespace rw::native {

// Before and after the definitions of gpu_params.h: names that CUDA and HIP write differently; then
// octets, conversions and the arithmetic of kernels/scalar_math.h.
extern const std::string_view kGpuNames;
extern const std::string_view kGpuPrelude;

}  // namespace rw::native
