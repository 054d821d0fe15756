// Kernels of NVIDIA's own libraries.
#pragma once

#include <span>
#include <string_view>

#include "base/status.h"
#include "kernels/kernel.h"

namespace rw::cuda {

inline constexpr std::string_view kProvider = "cublaslt";

std::span<const KernelRow> LinearRows();  // linear, linear2, linear3 of one 16-bit type or f32

// What Queue::blas points to, for the current device, and its end. Each queue has its own.
Result<void*> CreateBlas();
void DestroyBlas(void* blas);

}  // namespace rw::cuda
