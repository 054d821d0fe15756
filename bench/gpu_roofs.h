// What the device can do at best, measured in the same run as the kernels.
#pragma once

#include "gpu_timer.h"

namespace rw::bench {

struct Roofs {
  double copy_bytes_per_s = 0;  // read and written
  double read_bytes_per_s = 0;
  double matrix_flop_per_s = 0;  // bf16 with sums in f32, 8192^3 by cuBLASLt
  double empty_us = 0;           // a kernel that does nothing, one after the other
  double empty_early_us = 0;     // the same, launched early (kernels/gpu/launch.cuh)
};

Roofs MeasureRoofs(const Gpu& gpu, Arena& arena, Timer& timer);

// Reads memory with 16-byte accesses, and writes nothing.
void StreamRead(const gpu::Queue& queue, const std::byte* from, int64_t bytes);

}  // namespace rw::bench
