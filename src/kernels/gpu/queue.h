// Where a GPU kernel runs and what it may use beside its operands. The runtime makes one for each
// device; KernelCall::gpu points to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gpu/portable.h"

namespace rw::cuda {
class NativeCode;  // kernels/cuda/native.h
}

namespace rw::gpu {

struct Queue {
  gpuStream_t stream = nullptr;
  bool overlap = false;    // kernels may be launched early (launch.cuh); compute capability 9.0
  int cluster_blocks = 1;  // of which a cluster may consist; compute capability 9.0: 8
  int multiprocessors = 0;
  int64_t l2_bytes = 0;
  // Device memory for one call: calls on a queue follow each other, so the next may use it again.
  std::byte* scratch = nullptr;
  int64_t scratch_bytes = 0;
  // kCounters zeros, for kernels whose blocks count each other. A kernel leaves them zero.
  static constexpr int64_t kCounters = 65536;
  uint32_t* counters = nullptr;
  void* blas = nullptr;  // of the vendor's matrix library; made by the file that wraps it
  const cuda::NativeCode* native = nullptr;  // generated code, where there is some
  StepBounds bounds;
};

}  // namespace rw::gpu
