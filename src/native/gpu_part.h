// The text of one part of a program for a GPU.
#pragma once

#include <cstdint>
#include <string>

#include "native/gpu_mapping.h"
#include "native/program.h"

namespace rw::native {

// Words of shared memory that a block of `threads` needs for the part.
int64_t SharedWordsOf(const Part& part, const GpuMapping& map, int64_t threads);

// A function template Part<index> over <whole octets, heads of a thread>.
std::string WritePart(const Program& program, size_t index, const GpuMapping& map, int64_t threads);

}  // namespace rw::native
