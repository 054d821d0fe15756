// Which ops this build can run as native code.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace rw {

// Names of ops, for Facts::native_ops: those that say what they do to a row, and those that are
// made of such ops; none on a device without native code.
std::vector<std::string> NativeOps(Device device);

}  // namespace rw
