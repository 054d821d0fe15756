#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gpu_roofs.h"
#include "kernels/gpu/launch.cuh"

namespace rw::bench {
namespace {

constexpr int kThreads = 512;

// Each block moves kDeep * kThreads packs of 16 bytes, kDeep of them in flight for each thread.
template <int kDeep>
__global__ void __launch_bounds__(kThreads)
    CopyKernel(uint4* to, const uint4* from, int64_t count) {
  const int64_t begin = int64_t{blockIdx.x} * kDeep * kThreads + threadIdx.x;
  uint4 packs[kDeep];
#pragma unroll
  for (int i = 0; i < kDeep; ++i) {
    if (begin + i * kThreads < count) packs[i] = from[begin + i * kThreads];
  }
#pragma unroll
  for (int i = 0; i < kDeep; ++i) {
    if (begin + i * kThreads < count) to[begin + i * kThreads] = packs[i];
  }
}

// As above. Whether it stores depends on all that it read, so the loads stay; hardly a thread does.
template <int kDeep>
__global__ void __launch_bounds__(kThreads)
    ReadKernel(const uint4* from, int64_t count, uint32_t* sink) {
  const int64_t begin = int64_t{blockIdx.x} * kDeep * kThreads + threadIdx.x;
  uint4 packs[kDeep] = {};
#pragma unroll
  for (int i = 0; i < kDeep; ++i) {
    if (begin + i * kThreads < count) packs[i] = from[begin + i * kThreads];
  }
  uint32_t sum = 0;
#pragma unroll
  for (int i = 0; i < kDeep; ++i) sum ^= packs[i].x ^ packs[i].y ^ packs[i].z ^ packs[i].w;
  if (sum == 0x9e3779b9) *sink = sum;
}

__global__ void EmptyKernel() { gpu::WaitForPrevious(); }

unsigned Blocks(int64_t count, int deep) {
  return static_cast<unsigned>(gpu::CeilDiv(count, int64_t{deep} * kThreads));
}

template <int kDeep>
void LaunchRead(const gpu::Queue& queue, const std::byte* from, int64_t bytes) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(uint4));
  ReadKernel<kDeep><<<Blocks(count, kDeep), kThreads, 0, queue.stream>>>(
      reinterpret_cast<const uint4*>(from), count, reinterpret_cast<uint32_t*>(queue.scratch));
}

template <int kDeep>
void LaunchCopy(const gpu::Queue& queue, std::byte* to, const std::byte* from, int64_t bytes) {
  const int64_t count = bytes / static_cast<int64_t>(sizeof(uint4));
  CopyKernel<kDeep><<<Blocks(count, kDeep), kThreads, 0, queue.stream>>>(
      reinterpret_cast<uint4*>(to), reinterpret_cast<const uint4*>(from), count);
}

// The rate of the fastest of several ways to do `amount` of something, by its median.
double BestRate(Timer& timer, const gpu::Queue& queue, double amount,
                const std::vector<Work>& ways) {
  double best = 0;
  for (const Work& way : ways) {
    const Timing timing = timer.Time({way}, queue, Caches::kCold);
    best = std::max(best, amount / (1e-6 * timing.median_us));
  }
  return best;
}

void CheckBlas(cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fmt::print(stderr, "cuBLASLt: status {}\n", static_cast<int>(status));
  std::exit(1);
}

constexpr int64_t kSide = 8192;

// Some algorithms that cuBLASLt proposes for a product of two square matrices, each as work.
std::vector<Work> Products(const gpu::Queue& queue, const TensorView& a, const TensorView& b,
                           const TensorView& y) {
  cublasLtHandle_t handle;
  cublasLtMatmulDesc_t product;
  cublasLtMatrixLayout_t layout;
  cublasLtMatmulPreference_t preference;
  CheckBlas(cublasLtCreate(&handle));
  CheckBlas(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const cublasOperation_t transposed = CUBLAS_OP_T;
  CheckBlas(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                           sizeof(transposed)));
  CheckBlas(cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, kSide, kSide, kSide));
  CheckBlas(cublasLtMatmulPreferenceCreate(&preference));
  const auto workspace_bytes = static_cast<size_t>(queue.scratch_bytes);
  CheckBlas(cublasLtMatmulPreferenceSetAttribute(preference,
                                                 CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                 &workspace_bytes, sizeof(workspace_bytes)));
  std::array<cublasLtMatmulHeuristicResult_t, 4> found;
  int count = 0;
  CheckBlas(cublasLtMatmulAlgoGetHeuristic(handle, product, layout, layout, layout, layout,
                                           preference, found.size(), found.data(), &count));
  std::vector<Work> works;
  for (int i = 0; i < count; ++i) {
    const cublasLtMatmulAlgo_t algorithm = found[i].algo;
    works.emplace_back([=](const gpu::Queue& on) {
      const float one = 1, zero = 0;
      CheckBlas(cublasLtMatmul(handle, product, &one, a.data, layout, b.data, layout, &zero, y.data,
                               layout, y.data, layout, &algorithm, on.scratch,
                               static_cast<size_t>(on.scratch_bytes), on.stream));
    });
  }
  return works;
}

double EmptyMicros(Timer& timer, gpu::Queue queue, bool early) {
  queue.overlap = queue.overlap && early;
  const Work work = [](const gpu::Queue& on) { gpu::Launch(on, EmptyKernel, dim3(1), 32, 0); };
  return timer.Time({work}, queue, Caches::kHot).median_us;
}

}  // namespace

void StreamRead(const gpu::Queue& queue, const std::byte* from, int64_t bytes) {
  LaunchRead<8>(queue, from, bytes);
}

Roofs MeasureRoofs(const Gpu& gpu, Arena& arena, Timer& timer) {
  const gpu::Queue& queue = gpu.queue;
  constexpr int64_t kCopied = int64_t{2} << 30;
  arena.Reset();
  std::byte* from = arena.Random(DType::kBF16, {kCopied / 2}).data;
  std::byte* to = arena.Random(DType::kBF16, {kCopied / 2}).data;  // lies right behind
  Roofs roofs;
  const auto copy = [=](auto launch) {
    return Work([=](const gpu::Queue& on) { launch(on, to, from, kCopied); });
  };
  const auto read = [=](auto launch) {
    return Work([=](const gpu::Queue& on) { launch(on, from, 2 * kCopied); });
  };
  roofs.copy_bytes_per_s =
      BestRate(timer, queue, 2.0 * kCopied,
               {copy(&LaunchCopy<2>), copy(&LaunchCopy<4>), copy(&LaunchCopy<8>)});
  roofs.read_bytes_per_s =
      BestRate(timer, queue, 2.0 * kCopied,
               {read(&LaunchRead<2>), read(&LaunchRead<4>), read(&LaunchRead<8>)});

  arena.Reset();
  const TensorView a = arena.Random(DType::kBF16, {kSide, kSide});
  const TensorView b = arena.Random(DType::kBF16, {kSide, kSide});
  const TensorView y = arena.Random(DType::kBF16, {kSide, kSide});
  roofs.matrix_flop_per_s =
      BestRate(timer, queue, 2.0 * kSide * kSide * kSide, Products(queue, a, b, y));
  roofs.empty_us = EmptyMicros(timer, queue, false);
  roofs.empty_early_us = EmptyMicros(timer, queue, true);
  return roofs;
}

}  // namespace rw::bench
