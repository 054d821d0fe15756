#include <algorithm>

#include "base/random_fill.h"
#include "kernels/gpu/fill.h"

namespace rw::gpu {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    RandomFillKernel(uint64_t* to, int64_t bytes, RandomPattern pattern, uint64_t seed) {
  const int64_t words = bytes / 8;
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i * 8 < bytes; i += stride) {
    const uint64_t word =
        (RandomWord(seed, static_cast<uint64_t>(i)) & pattern.keep) | pattern.exponent;
    if (i < words) {
      to[i] = word;
      continue;
    }
    for (int64_t at = i * 8; at < bytes; ++at) {
      reinterpret_cast<uint8_t*>(to)[at] = static_cast<uint8_t>(word >> (at % 8 * 8));
    }
  }
}

}  // namespace

void RandomFill(gpuStream_t stream, const TensorView& to, uint64_t seed) {
  const int64_t bytes = to.size() * static_cast<int64_t>(SizeOf(to.dtype));
  if (bytes == 0) return;
  const int64_t blocks = std::min<int64_t>((bytes / 8 + kThreads) / kThreads, 4096);
  RandomFillKernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(
      reinterpret_cast<uint64_t*>(to.data), bytes, RandomPatternOf(to.dtype), seed);
}

gpuError_t ProbeCode() {
  RandomFillKernel<<<1, kThreads>>>(nullptr, 0, {}, 0);
  return gpuGetLastError();
}

}  // namespace rw::gpu
