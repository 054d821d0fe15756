// The one place where CUDA and HIP have other names for the same thing: kernels of src/kernels/gpu
// say gpuX and build as either.
#pragma once

#if defined(__HIP_PLATFORM_AMD__)
#include <hip/hip_fp16.h>
#include <hip/hip_runtime.h>
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>
#endif

#include "kernels/kernel.h"

// The runtime's names.
#if defined(__HIP_PLATFORM_AMD__)
#define RW_GPU_NAME(name) hip##name
#else
#define RW_GPU_NAME(name) cuda##name
#endif
#define gpuError_t RW_GPU_NAME(Error_t)
#define gpuSuccess RW_GPU_NAME(Success)
#define gpuGetErrorString RW_GPU_NAME(GetErrorString)
#define gpuGetLastError RW_GPU_NAME(GetLastError)
#define gpuGetDeviceCount RW_GPU_NAME(GetDeviceCount)
#define gpuOccupancyMaxActiveBlocksPerMultiprocessor \
  RW_GPU_NAME(OccupancyMaxActiveBlocksPerMultiprocessor)
#define gpuGetDeviceProperties RW_GPU_NAME(GetDeviceProperties)
#define gpuSetDevice RW_GPU_NAME(SetDevice)
#define gpuMalloc RW_GPU_NAME(Malloc)
#define gpuFree RW_GPU_NAME(Free)
#define gpuFreeHost RW_GPU_NAME(FreeHost)
#define gpuMemGetInfo RW_GPU_NAME(MemGetInfo)
#define gpuMemcpyAsync RW_GPU_NAME(MemcpyAsync)
#define gpuMemcpy2DAsync RW_GPU_NAME(Memcpy2DAsync)
#define gpuMemcpyHostToDevice RW_GPU_NAME(MemcpyHostToDevice)
#define gpuMemcpyDeviceToHost RW_GPU_NAME(MemcpyDeviceToHost)
#define gpuMemcpyDeviceToDevice RW_GPU_NAME(MemcpyDeviceToDevice)
#define gpuMemsetAsync RW_GPU_NAME(MemsetAsync)
#define gpuStreamCreateWithFlags RW_GPU_NAME(StreamCreateWithFlags)
#define gpuStreamNonBlocking RW_GPU_NAME(StreamNonBlocking)
#define gpuStreamDestroy RW_GPU_NAME(StreamDestroy)
#define gpuStreamSynchronize RW_GPU_NAME(StreamSynchronize)
#define gpuStreamBeginCapture RW_GPU_NAME(StreamBeginCapture)
#define gpuStreamCaptureModeThreadLocal RW_GPU_NAME(StreamCaptureModeThreadLocal)
#define gpuStreamEndCapture RW_GPU_NAME(StreamEndCapture)
#define gpuGraph_t RW_GPU_NAME(Graph_t)
#define gpuGraphExec_t RW_GPU_NAME(GraphExec_t)
#define gpuGraphDestroy RW_GPU_NAME(GraphDestroy)
#define gpuGraphExecDestroy RW_GPU_NAME(GraphExecDestroy)
#define gpuGraphLaunch RW_GPU_NAME(GraphLaunch)
#define gpuGraphUpload RW_GPU_NAME(GraphUpload)
#define gpuEvent_t RW_GPU_NAME(Event_t)
#define gpuEventCreate RW_GPU_NAME(EventCreate)
#define gpuEventCreateWithFlags RW_GPU_NAME(EventCreateWithFlags)
#define gpuEventDisableTiming RW_GPU_NAME(EventDisableTiming)
#define gpuEventRecord RW_GPU_NAME(EventRecord)
#define gpuEventSynchronize RW_GPU_NAME(EventSynchronize)
#define gpuEventElapsedTime RW_GPU_NAME(EventElapsedTime)
#define gpuEventDestroy RW_GPU_NAME(EventDestroy)
#if defined(__HIP_PLATFORM_AMD__)
#define gpuDeviceProp hipDeviceProp_t
#define gpuMallocHost hipHostMalloc
#else
#define gpuDeviceProp cudaDeviceProp
#define gpuMallocHost cudaMallocHost
#endif

namespace rw::gpu {

#if defined(__HIP_PLATFORM_AMD__)
using gpuStream_t = hipStream_t;
inline constexpr Device kDevice = Device::kRocm;
inline constexpr int kWarp = 64;
#else
using gpuStream_t = cudaStream_t;
inline constexpr Device kDevice = Device::kCuda;
inline constexpr int kWarp = 32;
#endif

#if defined(__CUDACC__) || defined(__HIPCC__)
// The value of lane `lane ^ mask`; all lanes of the warp take part.
template <class T>
__device__ __forceinline__ T ShuffleXor(T value, int mask) {
#if defined(__HIP_PLATFORM_AMD__)
  return __shfl_xor(value, mask, kWarp);
#else
  return __shfl_xor_sync(0xffffffffu, value, mask, kWarp);
#endif
}
template <class T>
__device__ __forceinline__ T ShuffleFrom(T value, int lane) {
#if defined(__HIP_PLATFORM_AMD__)
  return __shfl(value, lane, kWarp);
#else
  return __shfl_sync(0xffffffffu, value, lane, kWarp);
#endif
}
// What the compiler knows of the word ends here.
__device__ __forceinline__ void Opaque(uint32_t& word) {
#if defined(__HIP_PLATFORM_AMD__)
  asm volatile("" : "+v"(word));
#else
  asm volatile("" : "+r"(word));
#endif
}
#endif

}  // namespace rw::gpu
