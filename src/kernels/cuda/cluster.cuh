// Blocks of a cluster, which run together and write into each other's shared memory: compute
// capability 9.0. Before it, and where a kernel is launched without clusters, a block is one by
// itself.
#pragma once

#include "kernels/cuda/mma.cuh"

namespace rw::cuda {

// All threads of the cluster that have not ended meet: each arrives, then waits. What a thread
// stored before it arrived is seen by all who have waited.
__device__ __forceinline__ void ArriveAtCluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}
__device__ __forceinline__ void WaitForCluster() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#else
  __syncthreads();
#endif
}

// Stores to what block `rank` of the cluster has at `to`, an address of this block's own.
__device__ __forceinline__ void StoreInCluster(gpu::Pack<float, 4>* to, int rank,
                                               const gpu::Pack<float, 4>& x) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n"
      ".reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "st.shared::cluster.v4.f32 [there], {%2, %3, %4, %5};\n"
      "}" ::"r"(SharedAddress(to)),
      "r"(rank), "f"(x.at[0]), "f"(x.at[1]), "f"(x.at[2]), "f"(x.at[3])
      : "memory");
#else
  *to = x;
#endif
}
__device__ __forceinline__ void StoreInCluster(gpu::Pack<float, 2>* to, int rank,
                                               const gpu::Pack<float, 2>& x) {
#if __CUDA_ARCH__ >= 900
  asm volatile(
      "{\n"
      ".reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "st.shared::cluster.v2.f32 [there], {%2, %3};\n"
      "}" ::"r"(SharedAddress(to)),
      "r"(rank), "f"(x.at[0]), "f"(x.at[1])
      : "memory");
#else
  *to = x;
#endif
}

}  // namespace rw::cuda
