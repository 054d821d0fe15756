// The instructions of compute capability 8.0 that feed tensor cores. In the comments g = lane / 4
// and c = lane % 4.
#pragma once

#include <atomic>
#include <cstring>
#include <type_traits>

#include "kernels/gpu/types.cuh"

namespace rw::cuda {

__device__ __forceinline__ uint32_t SharedAddress(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// 16 bytes on their way to shared memory; zeros, and nothing is read, where not `valid`.
__device__ __forceinline__ void CopyAsync16(uint32_t to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// This thread's groups but the last kPending have arrived.
template <int kPending>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

__device__ __forceinline__ void StoreShared16(uint32_t to, const uint4& x) {
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(x.x), "r"(x.y), "r"(x.z),
               "r"(x.w)
               : "memory");
}

// Four 8x8 matrices of 16-bit elements; lane l has the address of row l % 8 of matrix l / 8. Of
// each it gets elements (g, 2c) and (g, 2c + 1); transposed: (2c, g) and (2c + 1, g).
__device__ __forceinline__ void LoadMatrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void LoadMatricesTransposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
// One such matrix transposed between registers.
__device__ __forceinline__ uint32_t TransposeMatrix(uint32_t x) {
  uint32_t y;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}

// c[16, 8] += a[16, 16] b[16, 8] in float32. Elements of a: (g, 2c..), (g + 8, 2c..),
// (g, 2c + 8..), (g + 8, 2c + 8..); of b: (2c.., g), (2c + 8.., g); of c: (g, 2c), (g, 2c + 1),
// (g + 8, 2c), (g + 8, 2c + 1).
template <class T>
__device__ __forceinline__ void Mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
  if constexpr (std::is_same_v<T, BF16>) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// Two numbers rounded to T, the first in the low half.
template <class T>
__device__ __forceinline__ uint32_t PackPair(float low, float high) {
  uint32_t bits;
  if constexpr (std::is_same_v<T, BF16>) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    std::memcpy(&bits, &pair, sizeof(bits));
  } else {
    const __half2 pair = __floats2half2_rn(low, high);
    std::memcpy(&bits, &pair, sizeof(bits));
  }
  return bits;
}
// Two f8e4m3 numbers as T, exactly.
template <class T>
__device__ __forceinline__ uint32_t WidenPair(uint32_t pair) {
  const __half2_raw raw =
      __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(pair), __NV_E4M3);
  if constexpr (std::is_same_v<T, BF16>) {
    const float2 x = __half22float2(__half2(raw));
    return PackPair<BF16>(x.x, x.y);
  } else {
    return static_cast<uint32_t>(raw.x) | static_cast<uint32_t>(raw.y) << 16;
  }
}

// 2 to the x, within 2 ulps; 0 of -infinity, exactly 1 of 0.
__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Lets the kernel take so many bytes of dynamic shared memory, once for each device.
template <auto kKernel>
void AllowShared(size_t bytes) {
  static std::atomic<uint64_t> allowed{0};
  int device = 0;
  cudaGetDevice(&device);
  const uint64_t bit = uint64_t{1} << (device % 64);
  if ((allowed.load(std::memory_order_relaxed) & bit) != 0) return;
  cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                       static_cast<int>(bytes));
  allowed.fetch_or(bit, std::memory_order_relaxed);
}

}  // namespace rw::cuda
