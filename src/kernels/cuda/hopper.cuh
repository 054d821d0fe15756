// The instructions of compute capability 9.0a: products of a warpgroup on operands in shared
// memory, copies of boxes of a tensor, and the barriers in shared memory that count what arrives.
//
// Tiles lie in shared memory as the copies leave them with a swizzle of 128 bytes: rows of 128
// bytes, the 16-byte chunk c of row r at place c ^ r % 8; more columns follow as another tile.
#pragma once

#include <cuda.h>

#include "kernels/cuda/mma.cuh"

namespace rw::cuda {

inline constexpr int kWarpgroupThreads = 128;
inline constexpr int kSwizzleBytes = 128;
inline constexpr int kSwizzleRows = 8;

__device__ __forceinline__ void InitBarrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// Initialised barriers are seen by copies from here on; a __syncthreads makes it so for threads.
__device__ __forceinline__ void PublishBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void Arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrives, and the phase ends only when copies have brought so many bytes too.
__device__ __forceinline__ void ArriveExpecting(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
// Returns when the phase of that parity has ended; the one before the first counts as ended, its
// parity is 1.
__device__ __forceinline__ void WaitForPhase(uint32_t barrier, int parity) {
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
      "@!ended bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// A ring of places in shared memory that one thread fills (and the copies that it starts) and that
// is empty after kReleases releases: of warps, where products read it, or of threads, where each
// loads from it. Places are numbered from the start of the kernel on.
template <int kPlaces, int kReleases>
struct Ring {
  uint64_t full[kPlaces], empty[kPlaces];

  __device__ void Init() {
    for (int i = 0; i < kPlaces; ++i) {
      InitBarrier(SharedAddress(&full[i]), 1);
      InitBarrier(SharedAddress(&empty[i]), kReleases);
    }
  }
  __device__ uint32_t Full(int i) { return SharedAddress(&full[i % kPlaces]); }
  __device__ void WaitFull(int i) { WaitForPhase(Full(i), i / kPlaces % 2); }
  __device__ uint32_t Empty(int i) { return SharedAddress(&empty[i % kPlaces]); }
  __device__ void WaitEmpty(int i) { WaitForPhase(Empty(i), i / kPlaces % 2 ^ 1); }
  __device__ void ReleaseOfThread(int i) { Arrive(Empty(i)); }
  __device__ void ReleaseOfWarp(int i) {
    if (threadIdx.x % 32 == 0) Arrive(Empty(i));
  }
};

// The box at these coordinates, innermost first, on its way; zeros where it leaves the tensor.
__device__ __forceinline__ void CopyBox(uint32_t to, const CUtensorMap& map, uint32_t barrier,
                                        int x, int y, int z, int w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
}

// What this thread has stored in shared memory is seen by products and copies that follow a
// barrier.
__device__ __forceinline__ void FenceForProducts() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Barriers by number, of a whole count of warps; 0 is __syncthreads.
__device__ __forceinline__ void SyncNamed(int number, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
}
__device__ __forceinline__ void ArriveNamed(int number, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

template <int kRegisters>
__device__ __forceinline__ void TakeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void GiveRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// An operand of a product, a swizzled tile. Its k runs along the rows, and `next_tile` has no
// meaning; or across them, and its other dim goes on in a tile so many bytes further.
__device__ __forceinline__ uint64_t Operand(uint32_t address, uint32_t next_tile = 0) {
  constexpr uint64_t kSwizzled = uint64_t{1} << 62;
  constexpr uint64_t kNextRows = uint64_t{kSwizzleRows * kSwizzleBytes / 16} << 32;
  return kSwizzled | kNextRows | uint64_t{next_tile / 16} << 16 | (address & 0x3ffff) / 16;
}

// Registers of products and shared memory are ready for the products that follow.
__device__ __forceinline__ void BeginProducts() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void CommitProducts() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// All groups but the last kPending are done.
template <int kPending>
__device__ __forceinline__ void WaitForProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}
// Keeps the compiler from using registers of a product across this line.
template <int kCount>
__device__ __forceinline__ void Settle(float (&x)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(x[i])::"memory");
}

// The text and the operands of c: n / 2 registers of a lane.
#define RW_C_TEXT_32                                                                       \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23," \
  "%24,%25,%26,%27,%28,%29,%30,%31"
#define RW_C_TEXT_40 RW_C_TEXT_32 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define RW_C_TEXT_48 RW_C_TEXT_40 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define RW_C_TEXT_64 RW_C_TEXT_48 ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define RW_C_4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define RW_C_16(i) RW_C_4(i), RW_C_4(i + 4), RW_C_4(i + 8), RW_C_4(i + 12)
#define RW_C_32 RW_C_16(0), RW_C_16(16)
#define RW_C_40 RW_C_32, RW_C_4(32), RW_C_4(36)
#define RW_C_48 RW_C_32, RW_C_16(32)
#define RW_C_64 RW_C_48, RW_C_16(48)
// The case of n columns, count = n / 2; the numbers are those of the operands that follow c.
#define RW_SHARED_OF(type, n, count, a, b, adds)                                \
  asm volatile("{\n.reg .pred adds;\nsetp.ne.b32 adds, %" adds                  \
               ", 0;\n"                                                         \
               "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type   \
               " {" RW_C_TEXT_##count "}, %" a ", %" b ", adds, 1, 1, 0, 0;\n}" \
               : RW_C_##count                                                   \
               : "l"(rows), "l"(columns), "r"(static_cast<int>(add)))
#define RW_SHARED(n, count, ...)                   \
  if constexpr (kCount == count) {                 \
    if constexpr (std::is_same_v<T, BF16>) {       \
      RW_SHARED_OF("bf16", n, count, __VA_ARGS__); \
    } else {                                       \
      RW_SHARED_OF("f16", n, count, __VA_ARGS__);  \
    }                                              \
  }
#define RW_REGISTERS_OF(type, n, count, a0, a1, a2, a3, b)                                  \
  asm volatile(                                                                             \
      "{\n.reg .pred adds;\nsetp.eq.b32 adds, 0, 0;\n"                                      \
      "wgmma.mma_async.sync.aligned.m64n" n "k16.f32." type "." type " {" RW_C_TEXT_##count \
      "}, {%" a0 ", %" a1 ", %" a2 ", %" a3 "}, %" b ", adds, 1, 1, 1;\n}"                  \
      : RW_C_##count                                                                        \
      : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "l"(columns))
#define RW_REGISTERS(n, count, ...)                   \
  if constexpr (kCount == count) {                    \
    if constexpr (std::is_same_v<T, BF16>) {          \
      RW_REGISTERS_OF("bf16", n, count, __VA_ARGS__); \
    } else {                                          \
      RW_REGISTERS_OF("f16", n, count, __VA_ARGS__);  \
    }                                                 \
  }

// c[64, n] = (add ? c : 0) + a[64, 16] b[n, 16]^T, both in shared memory, k along their rows. Warp
// w of the warpgroup has rows [16 w, 16 w + 16), a lane of each 8 columns what Mma has.
template <class T, int kCount>
__device__ __forceinline__ void ProductOfShared(float (&c)[kCount], uint64_t rows, uint64_t columns,
                                                bool add) {
  static_assert(kCount == 40 || kCount == 48 || kCount == 64);
  RW_SHARED("80", 40, "40", "41", "42")
  RW_SHARED("96", 48, "48", "49", "50")
  RW_SHARED("128", 64, "64", "65", "66")
}
// c[64, n] += a[64, 16] b[16, n], a in registers as Mma has it for a warp's rows, b in shared
// memory, k across its rows.
template <class T, int kCount>
__device__ __forceinline__ void ProductOfRegisters(float (&c)[kCount], const uint32_t (&rows)[4],
                                                   uint64_t columns) {
  static_assert(kCount == 32 || kCount == 48 || kCount == 64);
  RW_REGISTERS("64", 32, "32", "33", "34", "35", "36")
  RW_REGISTERS("96", 48, "48", "49", "50", "51", "52")
  RW_REGISTERS("128", 64, "64", "65", "66", "67", "68")
}

#undef RW_SHARED_OF
#undef RW_SHARED
#undef RW_REGISTERS_OF
#undef RW_REGISTERS
#undef RW_C_TEXT_32
#undef RW_C_TEXT_40
#undef RW_C_TEXT_48
#undef RW_C_TEXT_64
#undef RW_C_4
#undef RW_C_16
#undef RW_C_32
#undef RW_C_40
#undef RW_C_48
#undef RW_C_64

}  // namespace rw::cuda
