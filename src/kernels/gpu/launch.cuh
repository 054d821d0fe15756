// What the launches share.
//
// Kernels overlap: a kernel may be launched while the one before it still runs, so that its blocks
// stand ready and what does not depend on earlier kernels (weights) is on its way. Hence the rule
// for every kernel started by Launch: each thread calls WaitForPrevious() before it reads or writes
// anything but weights, on every path. There are two exceptions:
// - What it looks at earlier all the same (rope: positions; attention: lengths and pages) is a
//   guess, to be read again.
// - The cache's positions that are older than the step: the kernels of a step write those of its
//   new tokens only.
#pragma once

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "kernels/dispatch.h"
#include "kernels/gpu/queue.h"
#include "kernels/kernel.h"

namespace rw::gpu {

inline const Queue& QueueOf(const KernelCall& call) {
  RW_CHECK(call.gpu != nullptr, "a GPU kernel called without a queue");
  return *call.gpu;
}

inline constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

#if defined(__CUDACC__) || defined(__HIPCC__)

// All earlier kernels of the queue have ended and what they wrote is seen.
__device__ __forceinline__ void AwaitPrevious() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// The next kernel may be launched when all blocks have come here.
__device__ __forceinline__ void LetNextStart() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
// Were the next one launched before the wait is over, the one behind it would be too, and weights
// prefetched so far ahead would leave the L2 cache before they are used. A kernel of few blocks
// between two products (a norm) lets it start at once all the same: the product behind then takes
// each multiprocessor that the one before leaves.
__device__ __forceinline__ void WaitForPrevious() {
  AwaitPrevious();
  LetNextStart();
}

// *from as it is in memory now, also if the kernel has read it before.
__device__ __forceinline__ int32_t Peek(const int32_t* from) {
  return *static_cast<const volatile int32_t*>(from);
}

// Starts a kernel of `grid` blocks of `threads`, `cluster` neighbours along x a cluster; no blocks,
// no launch. Errors of a launch stay with the runtime, which asks for them after each step.
template <class... Params, class... Args>
void LaunchClusters(const Queue& queue, void (*kernel)(Params...), dim3 grid, int cluster,
                    int threads, size_t shared_bytes, Args&&... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(__HIP_PLATFORM_AMD__)
  kernel<<<grid, static_cast<unsigned>(threads), shared_bytes, queue.stream>>>(
      static_cast<Params>(args)...);
#else
  cudaLaunchAttribute attributes[2]{};
  unsigned count = 0;
  if (queue.overlap) {
    attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[count++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (cluster > 1) {
    attributes[count].id = cudaLaunchAttributeClusterDimension;
    attributes[count++].val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = queue.stream;
  config.attrs = attributes;
  config.numAttrs = count;
  cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
#endif
}
template <class... Params, class... Args>
void Launch(const Queue& queue, void (*kernel)(Params...), dim3 grid, int threads,
            size_t shared_bytes, Args&&... args) {
  LaunchClusters(queue, kernel, grid, 1, threads, shared_bytes, std::forward<Args>(args)...);
}

#endif

// Whether rows of the tensor can be read in packs of kCount elements.
template <class T, int kCount>
bool Packs(const TensorView& x) {
  return x.width() % kCount == 0 && (x.rows() <= 1 || x.row_stride % kCount == 0) &&
         reinterpret_cast<uintptr_t>(x.data) % (sizeof(T) * kCount) == 0;
}

}  // namespace rw::gpu
