#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>

#include "base/random_fill.h"
#include "gpu_device.h"
#include "kernels/cuda/cuda.h"
#include "kernels/dispatch.h"
#include "kernels/gpu/types.cuh"

namespace rw::bench {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 4096;
constexpr int64_t kScratchBytes = int64_t{256} << 20;
constexpr int64_t kAlignment = 256;  // as the allocator of the runtime

std::string current_case;

template <class T>
__global__ void RandomKernel(T* to, int64_t count, uint64_t seed) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += stride) {
    const auto bits = static_cast<int32_t>(RandomWord(seed, static_cast<uint64_t>(i)) >> 32);
    to[i] = gpu::Narrow<T>(static_cast<float>(bits) * 0x1p-31f);
  }
}

__global__ void AnglesKernel(float* to, int64_t rows, int64_t half) {
  const int64_t stride = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < rows * half; i += stride) {
    const int64_t row = i / half, j = i % half;
    const float exponent = static_cast<float>(j) / static_cast<float>(half);
    const float angle = static_cast<float>(row) * powf(10000.0f, -exponent);
    to[row * 2 * half + j] = cosf(angle);
    to[row * 2 * half + half + j] = sinf(angle);
  }
}

}  // namespace

void SetCurrentCase(std::string_view name) { current_case = name; }

void CheckCuda(cudaError_t error, std::source_location where) {
  if (error == cudaSuccess) return;
  fmt::print(stderr, "{}:{}: {} (case: {})\n", where.file_name(), where.line(),
             cudaGetErrorString(error), current_case.empty() ? "none" : current_case);
  std::exit(1);
}

cuda::NativeCode& GeneratedCode() {
  static auto* const code = [] {
    cudaDeviceProp properties{};
    CheckCuda(cudaGetDeviceProperties(&properties, 0));
    const std::string arch = fmt::format("sm_{}{}", properties.major, properties.minor);
    return new cuda::NativeCode(arch, {});
  }();
  return *code;
}

Gpu OpenGpu() {
  Gpu gpu;
  CheckCuda(cudaSetDevice(0));
  CheckCuda(cudaGetDeviceProperties(&gpu.properties, 0));
  gpu::Queue& queue = gpu.queue;
  CheckCuda(cudaStreamCreateWithFlags(&queue.stream, cudaStreamNonBlocking));
  queue.overlap = gpu.properties.major >= 9;
  queue.cluster_blocks = queue.overlap ? 8 : 1;
  queue.multiprocessors = gpu.properties.multiProcessorCount;
  queue.l2_bytes = gpu.properties.l2CacheSize;
  CheckCuda(cudaMalloc(&queue.scratch, kScratchBytes));
  queue.scratch_bytes = kScratchBytes;
  constexpr size_t kCounterBytes = gpu::Queue::kCounters * sizeof(uint32_t);
  CheckCuda(cudaMalloc(&queue.counters, kCounterBytes));
  CheckCuda(cudaMemset(queue.counters, 0, kCounterBytes));
  CheckCuda(cudaDeviceSynchronize());
  const auto blas = cuda::CreateBlas();
  if (!blas) {
    fmt::print(stderr, "cuBLASLt: {}\n", blas.error().message);
    std::exit(1);
  }
  queue.blas = *blas;
  queue.native = &GeneratedCode();
  return gpu;
}

Arena::Arena(int64_t bytes, cudaStream_t stream) : bytes_(bytes), stream_(stream) {
  CheckCuda(cudaMalloc(&memory_, static_cast<size_t>(bytes)));
}

TensorView Arena::Take(DType dtype, std::initializer_list<int64_t> dims) {
  const TensorView view =
      TensorView::Contiguous(memory_ + used_, dtype, {dims.begin(), dims.size()});
  const int64_t bytes = view.size() * static_cast<int64_t>(SizeOf(dtype));
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  RW_CHECK(used_ <= bytes_, "operands of {} bytes in {}", used_, bytes_);
  return view;
}

TensorView Arena::Random(DType dtype, std::initializer_list<int64_t> dims) {
  const TensorView view = Take(dtype, dims);
  WithCacheType(dtype, [&]<class T>(T) {
    RandomKernel<<<kBlocks, kThreads, 0, stream_>>>(reinterpret_cast<T*>(view.data), view.size(),
                                                    NextSeed());
  });
  CheckCuda(cudaGetLastError());
  return view;
}

TensorView Arena::Angles(int64_t rows, int64_t width) {
  const TensorView view = Take(DType::kF32, {rows, width});
  AnglesKernel<<<kBlocks, kThreads, 0, stream_>>>(reinterpret_cast<float*>(view.data), rows,
                                                  width / 2);
  CheckCuda(cudaGetLastError());
  return view;
}

TensorView Arena::Ints(const std::vector<int32_t>& values, std::initializer_list<int64_t> dims) {
  const TensorView view = Take(DType::kI32, dims);
  RW_CHECK(view.size() == static_cast<int64_t>(values.size()));
  CheckCuda(cudaMemcpyAsync(view.data, values.data(), values.size() * sizeof(int32_t),
                            cudaMemcpyHostToDevice, stream_));
  return view;
}

std::vector<int32_t> Arena::Permutation(int64_t count, int64_t of) {
  RW_CHECK(count <= of);
  std::vector<int32_t> numbers(of);
  std::iota(numbers.begin(), numbers.end(), 0);
  const uint64_t seed = NextSeed();
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t word = RandomWord(seed, static_cast<uint64_t>(i));
    std::swap(numbers[i], numbers[i + static_cast<int64_t>(word % (of - i))]);
  }
  numbers.resize(count);
  return numbers;
}

}  // namespace rw::bench
