// The machine's GPU through the CUDA or HIP runtime.
#pragma once

#include <memory>

#include "runtime/device.h"

namespace rw {

Result<std::shared_ptr<ComputeDevice>> OpenGpu(const DeviceOptions& options);

}  // namespace rw
