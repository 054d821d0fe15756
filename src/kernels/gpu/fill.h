// Kernels that are no ops: random weights, and one that shows whether this build's code runs.
#pragma once

#include <cstdint>

#include "base/tensor.h"
#include "kernels/gpu/portable.h"

namespace rw::gpu {

// The numbers of RandomFill (base/random_fill.h) in the device's memory. 8-byte aligned.
void RandomFill(gpuStream_t stream, const TensorView& to, uint64_t seed);

// gpuSuccess if the current device runs code of this build; no code for its architecture is
// cudaErrorNoKernelImageForDevice.
gpuError_t ProbeCode();

}  // namespace rw::gpu
