// NVIDIA's run-time compiler, which needs no GPU.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rw::cuda {

// The machine code (a cubin) of a source for an architecture, "sm_90". An error has the first line
// of what the compiler says.
Result<std::string> CompileSource(const std::string& source, std::string_view arch);

// What CompileSource's result depends on beside the source.
std::string CompilerKey(std::string_view arch);

}  // namespace rw::cuda
